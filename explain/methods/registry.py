"""The methods: a literal table. A new one is a file and a line here."""

from __future__ import annotations

from explain.methods import (
    ablation,
    attention,
    attn_lrp,
    flow,
    grad_cam,
    gradient_shap,
    input_x_gradient,
    integrated_gradients,
    kernel_shap,
    occlusion,
    relevance,
    rollout,
    saliency,
    shapley,
)
from explain.methods.method import Method
from explain.methods.wiring import unrecorded

METHODS: tuple[Method, ...] = (
    Method(
        name="attention",
        title="Attention",
        family="attention",
        level="token",
        run=attention.raw,
        about="How much each token is read, in the mean of all maps; it ignores the target, and "
        "shares between modalities may be those of the wiring.",
        paper="arXiv:1706.03762",
        signed=False,
        unfit=unrecorded,
    ),
    Method(
        name="value-weighted",
        title="Attention × values",
        family="attention",
        level="token",
        run=attention.value_weighted,
        about="How much each token is read, times the length of what is read there; it ignores the "
        "target.",
        paper="arXiv:2004.10102",
        signed=False,
        unfit=unrecorded,
    ),
    Method(
        name="rollout",
        title="Attention rollout",
        family="attention",
        level="token",
        run=rollout.rollout,
        about="How much of each token reaches the answer if every layer mixes tokens as it "
        "attends; it ignores the class, and shares between modalities may be those of the wiring.",
        paper="arXiv:2005.00928",
        signed=False,
        unfit=unrecorded,
    ),
    Method(
        name="flow",
        title="Attention flow",
        family="attention",
        level="token",
        run=flow.flow,
        about="The most that could flow to each group of tokens through attention; it ignores the "
        "class, and where much could flow to all, all look alike.",
        paper="arXiv:2005.00928",
        signed=False,
        unfit=unrecorded,
    ),
    Method(
        name="gradient-attention",
        title="Attention × gradient",
        family="relevance",
        level="token",
        run=relevance.gradient_attention,
        about="How much each token is read where reading it more would raise the score; what is "
        "read of it later is not followed.",
        paper="arXiv:2103.15679",
        signed=False,
        unfit=unrecorded,
    ),
    Method(
        name="relevance",
        title="Relevance",
        family="relevance",
        level="token",
        run=relevance.relevance,
        about="What of each token reaches the answer through attention that raises the score; "
        "what speaks against it, or takes no part in attention, is not seen.",
        paper="arXiv:2103.15679",
        signed=False,
        unfit=unrecorded,
    ),
    Method(
        name="attn-lrp",
        title="AttnLRP",
        family="relevance",
        level="token",
        run=attn_lrp.attn_lrp,
        about="How the score is handed back to the tokens layer by layer; what falls to the "
        "model's own constants is not shown.",
        paper="arXiv:2402.05602",
    ),
    Method(
        name="token-integrated-gradients",
        title="Integrated gradients of tokens",
        family="gradient",
        level="token",
        run=integrated_gradients.of_tokens,
        about="What each token adds on the way from an empty clip to this one.",
        paper="arXiv:1703.01365",
        complete=True,
    ),
    Method(
        name="integrated-gradients",
        title="Integrated gradients",
        family="gradient",
        level="input",
        run=integrated_gradients.of_inputs,
        about="What each pixel, tone and word adds on the way from an empty clip to this one.",
        paper="arXiv:1703.01365",
        complete=True,
        passes="steps",
    ),
    Method(
        name="token-gradient-shap",
        title="Gradient SHAP of tokens",
        family="gradient",
        level="token",
        run=gradient_shap.tokens,
        about="What each token adds at random places on the way from an empty clip to this one, "
        "with noise; other draws give other scores.",
        paper="arXiv:1705.07874",
    ),
    Method(
        name="gradient-shap",
        title="Gradient SHAP",
        family="gradient",
        level="input",
        run=gradient_shap.inputs,
        about="What each pixel, tone and word adds at random places on the way from an empty clip "
        "to this one, with noise; other draws give other scores.",
        paper="arXiv:1705.07874",
        passes="samples",
    ),
    Method(
        name="token-input-x-gradient",
        title="Input × gradient of tokens",
        family="gradient",
        level="token",
        run=input_x_gradient.tokens,
        about="What each token would add if the score were as steep from zero up to it; what is "
        "saturated looks unimportant.",
        paper="arXiv:1605.01713",
    ),
    Method(
        name="input-x-gradient",
        title="Input × gradient",
        family="gradient",
        level="input",
        run=input_x_gradient.inputs,
        about="What each pixel, tone and word would add if the score were as steep from zero up to "
        "it; what is saturated looks unimportant.",
        paper="arXiv:1605.01713",
    ),
    Method(
        name="saliency",
        title="Saliency",
        family="gradient",
        level="input",
        run=saliency.plain,
        about="How fast the score changes with each pixel, tone and word, up or down; their units "
        "differ, so do not compare picture, sound and text.",
        paper="arXiv:1312.6034",
        signed=False,
    ),
    Method(
        name="smoothgrad",
        title="SmoothGrad of saliency",
        family="gradient",
        level="input",
        run=saliency.smooth,
        about="Saliency, the mean over noisy copies of the clip; the units of picture, sound and "
        "text differ, so do not compare them.",
        paper="arXiv:1706.03825",
        signed=False,
        passes="samples",
    ),
    Method(
        name="token-grad-cam",
        title="Grad-CAM of tokens",
        family="gradient",
        level="token",
        run=grad_cam.grad_cam,
        about="Where picture and sound show what raises the score, told from the mean gradient; "
        "words and what speaks against it are not seen.",
        paper="arXiv:1610.02391",
        signed=False,
        unfit=grad_cam.unfit,
    ),
    Method(
        name="token-ablation",
        title="Feature ablation of tokens",
        family="perturbation",
        level="token",
        run=ablation.ablation,
        about="What the score loses without each token; what the clip shows twice looks "
        "unimportant.",
        paper="arXiv:2009.07896",
    ),
    Method(
        name="token-shapley",
        title="Shapley values of tokens",
        family="perturbation",
        level="token",
        run=shapley.shapley,
        about="What each group of tokens adds, the mean over random orders in which they come; "
        "within a group all tokens are given the same.",
        paper="doi:10.1016/j.cor.2008.04.004",
        complete=True,
    ),
    Method(
        name="token-kernel-shap",
        title="Kernel SHAP of tokens",
        family="perturbation",
        level="token",
        run=kernel_shap.kernel_shap,
        about="What each group of tokens adds, fitted to random combinations of them; within a "
        "group all tokens are given the same.",
        paper="arXiv:1705.07874",
        complete=True,
    ),
    Method(
        name="occlusion",
        title="Occlusion",
        family="perturbation",
        level="input",
        run=occlusion.occlusion,
        about="What the score loses when a window of the picture or the sound, or a word, is "
        "covered; a covered clip is one that the model never saw.",
        paper="arXiv:1311.2901",
        passes="places that it covers",
    ),
)


class MethodError(ValueError):
    """A method that there is not, or that does not fit the run; the message says why."""


def find(name: str) -> Method:
    """The method of this name."""
    for method in METHODS:
        if method.name == name:
            return method
    known = ", ".join(method.name for method in METHODS)
    raise MethodError(f"There is no method “{name}”; name one of: {known}.")

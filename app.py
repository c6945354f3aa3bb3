"""Start the dashboard: ``python app.py``."""

import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from app.dashboard import build
from app.launch import launch
from core_models.registry import MODELS, load, pick_device


def main() -> None:
    parser = argparse.ArgumentParser(description="FusionScope: look inside a video model")
    # A hosted Space says by Gradio's own variables where to listen.
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    which = "a shipped model, a folder or a hub id"
    parser.add_argument("--model", default=MODELS[0].name, help=which)
    parser.add_argument("--share", action="store_true", help="a public link, through Gradio")
    options = parser.parse_args()
    try:
        page = build(options.model, options.device)
        print("FusionScope:", launch(page, options.host, options.port, options.share))
        load(options.model, pick_device(options.device))  # the first clip need not wait for it
    except ValueError as error:
        parser.error(str(error))
    except OSError:
        parser.error(f"Cannot listen on {options.host}:{options.port}; choose another --port.")
    page.block_thread()


if __name__ == "__main__":
    main()

"""The process that touches untrusted bytes: one request in, numbers and pictures out.

`core_models.conversation` starts it as `python -m core_models.decoder` and never imports it.
It needs av and numpy alone, so that it starts quickly. All times are seconds from the start of
the file, as a browser's player counts them.
"""

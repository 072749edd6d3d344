"""The dashboard in the machine's own Chromium; `python -m tests.e2e.browser` makes the pictures of the documents."""

"""A scripted model server that speaks five vendors' APIs, written without the router's own codecs."""

"""Vendors played on 127.0.0.1, written from their documents and importing nothing of ours."""

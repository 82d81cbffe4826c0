"""Pictures of the running system for the documents: `make screenshots` draws all of them anew into docs/images."""

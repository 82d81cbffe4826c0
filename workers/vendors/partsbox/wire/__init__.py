"""The JSON of PartsBox, a file a noun: the document's field names on one side, plain records on the other."""

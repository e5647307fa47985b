"""What a person or another program reads of an analysis: table, files, page, annotated video."""

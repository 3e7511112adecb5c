"""Lists of files, workbooks and CSVs, read and written."""

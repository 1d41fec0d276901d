"""Excel workbooks (.xlsx, .xlsm) with nothing guessed."""

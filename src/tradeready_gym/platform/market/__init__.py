"""The candles of this server: what there is of them, read in pages, whole ranges and figures. Nothing is downloaded."""

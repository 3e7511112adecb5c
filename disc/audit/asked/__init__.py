"""Does it show what was asked? Masks beside what segmenters of real tiles read."""

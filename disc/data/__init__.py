"""Tiles and masks: readers of data sets, slides to tiles, splits, and the writer of sets.

- what is given: `sources` is the one entrance; `sicapv2`, `panda_set`, `lapc` and `folder` read a kind
  each, by `listing`, `names`, `sheets`, `workbooks`, `slide_tables`, `sicapv2_tables`, `panda`;
- what pixels mean: `meanings`, `encodings`, `rims`, `annotations`, `reading`, `tile_labels`;
- decoding: `images`, `formats`, `strict`, `slides`, `boxes`, `coordinates`;
- `disc tile`: `request`, `jobs`, `tissue`, `places`, `cutting`, `overview`, `dealing`, `tiling`;
- `disc select`, `disc convert`: `selection`, `conversion`; `disc check`: the folder `check`;
- for training: `tiles`, `splits`, `folds`, `draws`, `batches`.
"""

"""Data sets, slides and tiles: one data set a file, all giving the same records.

- What is given: `sources` is the entrance; `sicapv2`, `panda_set`, `lapc` and `folder` read a kind
  each, by `listing`, `names`, `sheets`, `workbooks`, `slide_tables`, `sicapv2_tables`, `panda`.
- What pixels mean: `meanings`, `encodings`, `rims`, `annotations`, `reading`, `tile_labels`.
- Pixels and places: `images`, `formats`, `strict`, `slides`, `boxes`, `coordinates`.
- `disc tile`: `request`, `jobs`, `tissue`, `places`, `cutting`, `overview`, `dealing`, `tiling`.
- `disc select`, `disc convert`, `disc check`: `selection`, `conversion`, the folder `check`.
- For training: `tiles`, `splits`, `folds`, `draws`, `batches`.
"""

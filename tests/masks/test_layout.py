import numpy as np
from skimage import measure

from disc.masks.layout import NO_BOX, label_boxes


def mask_of_three():
    mask = np.zeros((20, 40), np.uint8)
    mask[2:6, 10:20] = 2
    mask[10:18, 30:40] = 2
    mask[12:14, 4:6] = 255
    return mask


def test_boxes_come_by_area_with_their_class_and_edges():
    classes, boxes = label_boxes(mask_of_three(), 5)
    assert classes.tolist() == [0, 2, 2, 4, NO_BOX]
    np.testing.assert_allclose(boxes[1], [10 / 20, 30 / 40, 18 / 20, 40 / 40])
    np.testing.assert_allclose(boxes[2], [2 / 20, 10 / 40, 6 / 20, 20 / 40])
    assert not boxes[4].any()


def test_the_largest_are_kept():
    classes, _ = label_boxes(mask_of_three(), 2)
    assert classes.tolist() == [0, 2]


def test_boxes_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    mask = np.repeat(np.repeat(rng.integers(0, 4, (6, 6), dtype=np.uint8), 4, 0), 4, 1)
    classes, boxes = label_boxes(mask, 64)
    found = {
        (int(kind), *np.rint(box * 24).astype(int).tolist())
        for kind, box in zip(classes, boxes, strict=True)
        if kind != NO_BOX
    }
    expected = {
        (label, *region.bbox)
        for label in range(4)
        for region in measure.regionprops(measure.label(mask == label, connectivity=1))
    }
    assert found == expected

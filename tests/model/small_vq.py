"""A small VQModel as diffusers makes it, with its default scale of 0.18215."""

from diffusers import VQModel


def build_small_vq(widths=(16, 16, 16), **more):
    """Three resolutions of these widths, random weights."""
    return VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=widths,
        norm_num_groups=8,
        **more,
    )

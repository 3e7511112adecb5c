"""The one training loop: autoencoder, denoiser, distillation and both graders."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from disc.files import BadInput
from disc.processes import Share, accelerate_on_cpu, own_share, wait_for_all
from disc.seeds import derive, torch_generator
from disc.settings.training import Optim
from disc.train.batch_sums import BatchSums, WithSums
from disc.train.checkpoint import State, read_best, restore_checkpoint, save_checkpoint
from disc.train.diagnose import Batch as Batch
from disc.train.diagnose import Step as Step
from disc.train.diagnose import diagnose, part_of
from disc.train.ema import Ema
from disc.train.hooks import Hooks
from disc.train.log import Log
from disc.train.speed import clean_up, restore_layout, set_up


def train(
    *,
    model: nn.Module,
    step: Step,
    batch_at: Callable[[int], Batch],
    optim: Optim,
    folder: Path,
    seed: int,
    hooks: Hooks | None = None,
    is_alone: bool = False,
) -> nn.Module:
    """Train a network; called again with the same folder, resume where it was stopped.

    Restore, then [hooks -> done? -> checkpoint -> step -> moving average]. The result is a
    function of the arguments alone: killed at any point and called again, it is the same bit for
    bit, on one machine and number of processes. On a GPU that holds for the operations that torch
    lists under `use_deterministic_algorithms`, and for no others: gradients of fused attention, for
    one, are summed in no fixed order. Deterministic kernels are requested, not enforced.

    A batch is split over the processes and, within each, over the pieces of gradient
    accumulation: neither changes the result beyond floating point if the loss is a mean over
    samples, or the step is `WithSums`.

    Args:
        model: the network, with its first weights.
        step: gives the loss of a batch as `loss`, and other scalars to log. Its generator is
            seeded by (seed, step) and the same in all processes: sample for the whole batch, then
            `state.share.take` the part of this process and piece.
        batch_at: the whole batch of a step, tensors with the batch as first axis; a pure function.
            If it is `NamedBatches`, an error can name the sample that caused it.
        optim: steps, batch size, learning rate.
        folder: where checkpoint and log.jsonl are written.
        seed: of everything random in a step.
        hooks: what is measured during training (validation, previews), whether the best weights
            are kept, and after how long without better ones training ends before its last step.
        is_alone: whether this process trains by itself, while others train other networks; else
            all train this one.

    Returns:
        The network with its final weights: the moving average where `optim.ema` asks for one, at
        the last step, or at the step of the lowest validation loss where `hooks` keeps that.

    Raises:
        FloatingPointError: if the loss, or its gradient, is not finite; names the samples that
            cause it.
        BadInput: if the batch cannot be split over the processes, or the checkpoint is damaged or
            of another training.
    """
    share = Share() if is_alone else own_share()
    accelerator = Accelerator(cpu=accelerate_on_cpu())
    state = _start(accelerator, share, model, optim)
    restore_checkpoint(folder, state, optim.steps)
    restore_layout(state.network, state.optimizer)
    hooks, is_first = hooks or Hooks(), share.is_first
    has_events = hooks.settings.tensorboard
    log = Log(folder, optim.steps, start=state.step, shown=is_first, has_events=has_events)
    while True:
        is_last = state.step >= optim.steps
        # what was measured at the step of a restored checkpoint is in it and in the log
        if is_first and log.has_advanced:
            hooks.run(state, log, is_last=is_last)
        is_last = is_last or _has_converged(accelerator, hooks, state)
        if is_first and log.has_advanced and (is_last or state.step % optim.checkpoint_every == 0):
            save_checkpoint(folder, state)
        if is_last:
            break
        batch = part_of(batch_at, state.step, share, optim.batch)
        sums = BatchSums(share, optim.speed.accumulate)
        pieces = _pieces(state, sums, optim.speed.accumulate)
        if isinstance(step, WithSums) and len(pieces) > 1:
            _measure_sums(accelerator, pieces, sums, step, batch, seed=seed)
        found = [
            _add_gradients(accelerator, piece, step, batch, seed=seed, share=part)
            for piece, part in pieces
        ]
        metrics = _mean(accelerator, share, found)
        if not bool(torch.isfinite(metrics["loss"])):
            loss = float(metrics["loss"])
            raise FloatingPointError(diagnose(state, step, batch_at, loss))
        _optimise(state, optim)
        log.advance(metrics)
    log.close()
    _take_final_weights(state, hooks, folder, is_first=is_first)
    clean_up(state.network)
    return state.network.eval()


def _take_final_weights(state: State, hooks: Hooks, folder: Path, *, is_first: bool) -> None:
    """The best weights where they are kept, else the moving average where there is one."""
    if hooks.keeps_best:
        wait_for_all()
        state.best = state.best if is_first else read_best(folder)
        # The first may remove the checkpoint once all have read it.
        wait_for_all()
    if hooks.keeps_best and state.best is not None:
        state.network.load_state_dict(state.best.weights)
    elif state.ema is not None:
        state.network.load_state_dict(state.ema.weights)


def _has_converged(accelerator: Accelerator, hooks: Hooks, state: State) -> bool:
    """Whether to stop early, as the first process, which alone validates, tells all.

    The best weights that the others have are those of the checkpoint that they began with.
    """
    if not hooks.patience:
        return False
    told = torch.tensor(
        float(state.share.is_first and hooks.has_converged(state)), device=accelerator.device
    )
    return bool(accelerator.reduce(told, "sum") > 0)


def rate_at(step: int, optim: Optim) -> float:
    """Learning rate of a step (from 0): linear warm-up, then constant or half a cosine to 0.

    >>> optim = Optim(steps=100, lr=1.0, warmup=10, decay="cosine")
    >>> rate_at(0, optim), rate_at(50, optim)
    (0.1, 0.5)
    """
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    if optim.decay == "constant":
        return optim.lr * warm
    # lr * min(1, (i + 1) / warmup) * (1 + cos(pi i / steps)) / 2
    return optim.lr * warm * 0.5 * (1 + math.cos(math.pi * step / max(1, optim.steps)))


def _start(accelerator: Accelerator, share: Share, model: nn.Module, optim: Optim) -> State:
    if optim.batch % (share.count * optim.speed.accumulate):
        pieces = f" in {optim.speed.accumulate} pieces" if optim.speed.accumulate > 1 else ""
        raise BadInput(
            f"a batch of {optim.batch} cannot be split over {share.count} processes{pieces}"
        )
    if accelerator.device.type == "cuda":
        # bit-for-bit resumption needs kernels that sum in a fixed order
        torch.use_deterministic_algorithms(True, warn_only=True)
        # else every new tensor is filled first, though nothing reads it before it is written
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        # docs/training.md names the kernels that have no fixed order
        warnings.filterwarnings("ignore", message=".*deterministic", module="torch")
    network = model.to(accelerator.device).train()
    called = set_up(network, optim)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=optim.lr, betas=optim.betas, weight_decay=optim.weight_decay
    )
    wrapped = accelerator.prepare_model(called) if share.count > 1 else called
    ema = Ema(network, optim.ema) if optim.ema else None
    return State(model=wrapped, network=network, optimizer=optimizer, ema=ema, share=share)


def _pieces(state: State, sums: BatchSums, count: int) -> list[tuple[State, Share]]:
    """The state, once for every accumulation piece, and which of this process's part that is."""
    first, whole = state.share.rank * count, state.share.count * count
    shares = [Share(first + i, whole) for i in range(count)]
    return [
        (replace(state, share=share, sum_all=sums), Share(i, count))
        for i, share in enumerate(shares)
    ]


def _measure_sums(
    accelerator: Accelerator,
    pieces: Sequence[tuple[State, Share]],
    sums: BatchSums,
    step: Step,
    batch: Batch,
    *,
    seed: int,
) -> None:
    """Sums of a loss over all pieces; leaves no trace in the network."""
    network = pieces[0][0].network
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    with torch.no_grad():
        for piece, part in pieces:
            sums.begin_piece()
            _call(accelerator, piece, step, batch, seed=seed, share=part)
        for name, value in network.named_buffers():
            value.copy_(buffers[name])
    sums.finish_measuring()


def _add_gradients(
    accelerator: Accelerator,
    state: State,
    step: Step,
    batch: Batch,
    *,
    seed: int,
    share: Share,
) -> Mapping[str, torch.Tensor]:
    """Add the gradients of one piece of a process's part; the last sums over the processes."""
    state.sum_all.begin_piece()
    is_last = share.rank + 1 == share.count
    with nullcontext() if is_last else accelerator.no_sync(state.model):
        metrics = _call(accelerator, state, step, batch, seed=seed, share=share)
        accelerator.backward(metrics["loss"] / share.count)
    return {name: value.detach() for name, value in metrics.items()}


def _call(
    accelerator: Accelerator,
    state: State,
    step: Step,
    batch: Batch,
    *,
    seed: int,
    share: Share,
) -> Mapping[str, torch.Tensor]:
    """Loss and metrics of a piece; the same again when called again."""
    torch.manual_seed(derive(seed, "layers", state.step, state.share.rank))
    part = {
        key: share.take(value).to(accelerator.device, non_blocking=True)
        for key, value in batch.items()
    }
    return step(state, part, torch_generator(seed, "step", state.step))


def _mean(
    accelerator: Accelerator, share: Share, pieces: Sequence[Mapping[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Metrics as means over pieces and processes, on the CPU after one transfer."""
    rows = [torch.stack([v.to(accelerator.device).float() for v in p.values()]) for p in pieces]
    means = torch.stack(rows).mean(0)
    if share.count > 1:
        means = accelerator.reduce(means, "mean")
    return dict(zip(pieces[0], means.cpu().unbind(), strict=True))


def _optimise(state: State, optim: Optim) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = rate_at(state.step, optim)
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), optim.clip)
    if not bool(torch.isfinite(norm)):
        raise FloatingPointError(
            f"the loss is finite but the norm of its gradient is {float(norm)} at step "
            f"{state.step}; stopped before it changed a weight. The checkpoint before is whole: "
            "lower the learning rate"
        )
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    if state.ema is not None:
        state.ema.update(state.network, state.step)
    state.step += 1

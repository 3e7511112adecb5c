"""The one training loop: autoencoder, denoiser, distillation and both graders."""

from __future__ import annotations

import math
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
from disc.train.checkpoint import State, read_best, restore_checkpoint, save_checkpoint
from disc.train.diagnose import Batch as Batch
from disc.train.diagnose import Step as Step
from disc.train.diagnose import diagnose
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
) -> nn.Module:
    """Train a network; called again with the same folder, resume where it was stopped.

    Restore, then [hooks -> checkpoint -> done? -> step -> moving average]. The result is a
    function of the arguments alone: killed at any point and called again, it is the same bit for
    bit, on one machine and number of processes. On a GPU, fused attention is the exception: its
    gradient is summed in no fixed order, since deterministic kernels are requested, not enforced.

    A batch is split over the processes and, within each, over the pieces of gradient
    accumulation: neither changes the result beyond floating point if the loss is a mean over
    samples.

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
        hooks: what is measured during training (validation, previews), and whether the best
            weights are kept.

    Returns:
        The network with its final weights: the moving average where `optim.ema` asks for one, at
        the last step, or at the step of the lowest validation loss where `hooks` keeps that.

    Raises:
        FloatingPointError: if the loss, or its gradient, is not finite; names the samples that
            cause it.
        BadInput: if the batch cannot be split over the processes, or the checkpoint is damaged or
            of another training.
    """
    share = own_share()
    accelerator = Accelerator(cpu=accelerate_on_cpu())
    state = _start(accelerator, share, model, optim)
    restore_checkpoint(folder, state, optim.steps)
    restore_layout(state.network, state.optimizer)
    hooks, is_first = hooks or Hooks(), accelerator.is_main_process
    has_events = hooks.settings.tensorboard
    log = Log(folder, optim.steps, start=state.step, shown=is_first, has_events=has_events)
    while True:
        is_last = state.step >= optim.steps
        # what was measured at the step of a restored checkpoint is in it and in the log
        if is_first and log.has_advanced:
            hooks.run(state, log, is_last=is_last)
            if is_last or state.step % optim.checkpoint_every == 0:
                save_checkpoint(folder, state)
        if is_last:
            break
        batch = batch_at(state.step)
        pieces = [
            _add_gradients(accelerator, piece, step, batch, seed)
            for piece in _pieces(state, optim.speed.accumulate)
        ]
        metrics = _mean(accelerator, pieces)
        if not bool(torch.isfinite(metrics["loss"])):
            loss = float(metrics["loss"])
            raise FloatingPointError(diagnose(state, step, batch_at, loss))
        _optimise(state, optim)
        log.advance(metrics)
    log.close()
    if hooks.keeps_best:
        wait_for_all()
        state.best = state.best if is_first else read_best(folder)
    if hooks.keeps_best and state.best is not None:
        state.network.load_state_dict(state.best.weights)
    elif state.ema is not None:
        state.network.load_state_dict(state.ema.weights)
    clean_up(state.network)
    return state.network.eval()


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
    network = model.to(accelerator.device).train()
    called = set_up(network, optim)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=optim.lr, betas=optim.betas, weight_decay=optim.weight_decay
    )
    wrapped = accelerator.prepare_model(called)
    ema = Ema(network, optim.ema) if optim.ema else None
    return State(model=wrapped, network=network, optimizer=optimizer, ema=ema, share=share)


def _pieces(state: State, count: int) -> list[State]:
    """The state, once for every accumulation piece of this process's part of a batch."""
    first, whole = state.share.rank * count, state.share.count * count
    return [replace(state, share=Share(first + i, whole)) for i in range(count)]


def _add_gradients(
    accelerator: Accelerator, state: State, step: Step, batch: Batch, seed: int
) -> Mapping[str, torch.Tensor]:
    """Add the gradients of one piece of a batch; the last piece sums over the processes."""
    share, pieces = state.share, state.share.count // accelerator.num_processes
    torch.manual_seed(derive(seed, "layers", state.step, share.rank))
    part = {
        key: share.take(value).to(accelerator.device, non_blocking=True)
        for key, value in batch.items()
    }
    is_last = (share.rank + 1) % pieces == 0
    with nullcontext() if is_last else accelerator.no_sync(state.model):
        metrics = step(state, part, torch_generator(seed, "step", state.step))
        accelerator.backward(metrics["loss"] / pieces)
    return {name: value.detach() for name, value in metrics.items()}


def _mean(
    accelerator: Accelerator, pieces: Sequence[Mapping[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Metrics as means over pieces and processes, on the CPU after one transfer."""
    rows = [torch.stack([v.to(accelerator.device).float() for v in p.values()]) for p in pieces]
    means = accelerator.reduce(torch.stack(rows).mean(0), "mean").cpu()
    return dict(zip(pieces[0], means.unbind(), strict=True))


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

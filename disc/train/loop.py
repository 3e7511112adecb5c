"""The one training loop: autoencoder, denoiser, distillation and both graders."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from disc import settings
from disc.files import BadInput
from disc.processes import Share, accelerate_on_cpu, own_share, wait_for_all
from disc.seeds import derive, torch_generator
from disc.train.checkpoint import State, read_best, restore_checkpoint, save_checkpoint
from disc.train.ema import Ema
from disc.train.fault import Batch as Batch
from disc.train.fault import Step as Step
from disc.train.fault import explain_fault
from disc.train.log import Log
from disc.train.watch import Watch


def train(
    *,
    model: nn.Module,
    step: Step,
    batch_at: Callable[[int], Batch],
    optim: settings.Optim,
    folder: Path,
    seed: int,
    watch: Watch | None = None,
) -> nn.Module:
    """Train a network; called again with the same folder, go on where it was stopped.

    Restore, then [report -> look -> checkpoint -> done? -> step -> average]. The result is a
    function of the arguments alone: killed at any point and called again, it is the same bit for
    bit, on one machine and number of processes.

    Args:
        model: the network, with its first weights.
        step: gives the loss of a batch as `loss`, and other scalars to log. Its generator is
            seeded by (seed, step) and equal on all processes: draw for the whole batch and
            `state.share.take` this process's part.
        batch_at: the whole batch of a step, tensors with the batch as first axis; a pure function.
            One that is `NamedBatches` can tell which sample is at fault.
        optim: steps, batch, rates.
        folder: where checkpoint and log.jsonl are kept.
        seed: of everything random in the step.
        watch: what is looked at on the way (validation, previews), and whether the best is kept.

    Returns:
        The network with its final weights: the moving average where `optim.ema` asks for one, at
        the last step, or at the step of the lowest validation loss where `watch` keeps that.

    Raises:
        FloatingPointError: if the loss is not finite, naming the samples that make it so.
        BadInput: if the batch cannot be shared by the processes, or the checkpoint is another's.
    """
    share = own_share()
    accelerator = Accelerator(cpu=accelerate_on_cpu())
    state = _start(accelerator, share, model, optim)
    restore_checkpoint(folder, state)
    watch, is_first = watch or Watch(), accelerator.is_main_process
    has_board = watch.knobs.tensorboard
    log = Log(folder, total=optim.steps, start=state.step, shown=is_first, has_board=has_board)
    while True:
        is_last = state.step >= optim.steps
        # what was seen at the step of a restored checkpoint stands in it and in the log
        if is_first and log.has_advanced:
            watch.look(state, log, is_last=is_last)
            if is_last or state.step % optim.checkpoint_every == 0:
                save_checkpoint(folder, state)
        if is_last:
            break
        torch.manual_seed(derive(seed, "layers", state.step, state.share.rank))
        batch = {
            key: state.share.take(value).to(accelerator.device, non_blocking=True)
            for key, value in batch_at(state.step).items()
        }
        metrics = step(state, batch, torch_generator(seed, "step", state.step))
        if not bool(torch.isfinite(metrics["loss"])):
            loss = float(metrics["loss"].detach())
            raise FloatingPointError(explain_fault(state, step, batch_at, loss))
        _optimise(accelerator, state, metrics["loss"], optim)
        log.advance(metrics)
    log.close()
    if watch.keeps_best:
        wait_for_all()
        state.best = state.best if is_first else read_best(folder)
    if watch.keeps_best and state.best is not None:
        state.network.load_state_dict(state.best.weights)
    elif state.ema is not None:
        state.network.load_state_dict(state.ema.weights)
    return state.network.eval()


def rate_at(step: int, optim: settings.Optim) -> float:
    """Learning rate of a step (from 0)."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    if optim.decay == "constant":
        return optim.lr * warm
    return optim.lr * warm * 0.5 * (1 + math.cos(math.pi * step / max(1, optim.steps)))


def _start(
    accelerator: Accelerator, share: Share, model: nn.Module, optim: settings.Optim
) -> State:
    if optim.batch % share.count:
        raise BadInput(f"a batch of {optim.batch} cannot be shared by {share.count} processes")
    if accelerator.device.type == "cuda":
        # the same weights after a kill need kernels that add in the same order
        torch.use_deterministic_algorithms(True, warn_only=True)
    network = model.to(accelerator.device).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=optim.lr, weight_decay=optim.weight_decay
    )
    wrapped = accelerator.prepare_model(network)
    ema = Ema(network, optim.ema) if optim.ema else None
    return State(model=wrapped, network=network, optimizer=optimizer, ema=ema, share=share)


def _optimise(
    accelerator: Accelerator, state: State, loss: torch.Tensor, optim: settings.Optim
) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = rate_at(state.step, optim)
    accelerator.backward(loss)
    nn.utils.clip_grad_norm_(state.network.parameters(), optim.clip)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    if state.ema is not None:
        state.ema.update(state.network, state.step)
    state.step += 1

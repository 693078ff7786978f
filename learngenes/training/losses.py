"""The loss of learning from an ancestor and from labels, on timm's training tasks.

timm.task brings the frozen teacher with its own normalisation of the input, compilation and DDP around the trainable
part alone. We bring the forward pass: timm takes softmaxes in the autocast type and computes terms of weight 0.
"""

# B batch, C image channels, H height, W width, K classes

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.task import ClassificationTask, DistillationTeacher, LogitDistillationTask, TrainingTask
from torch import Tensor, nn

from learngenes.training.device import autocast


def distillation_loss(student_BK: Tensor, ancestor_BK: Tensor, *, temperature: float) -> Tensor:
    """temperature^2 * KL(ancestor || student) of the softened softmaxes, mean over the batch; logits in float32.

    Against SWS Eq. 3, the soft cross-entropy, this lacks the ancestor's entropy, a constant for the student: gradients
    differ by the factor temperature^2 alone, which keeps them of one size at any temperature (Hinton et al. 2015).
    The authors' code has that factor too, but also divides by the number of classes K: its gradients are K times
    smaller, which AdamW without clipping mostly cancels when alpha = 1.
    """
    log_student = F.log_softmax(student_BK.float() / temperature, dim=-1)
    log_ancestor = F.log_softmax(ancestor_BK.float() / temperature, dim=-1)
    return F.kl_div(log_student, log_ancestor, reduction="batchmean", log_target=True) * temperature**2


class Distillation(LogitDistillationTask):  # type: ignore[misc]
    """(1 - alpha) * CE(student, labels) + alpha * distillation_loss(student, ancestor). SWS Eq. 2-4."""

    def __init__(
        self,
        student: nn.Module,
        ancestor: nn.Module,
        *,
        alpha: float,
        temperature: float,
        label_smoothing: float,
        precision: str,
        device: torch.device,
    ) -> None:
        super().__init__(
            student,
            _Teacher(ancestor, device=device),
            criterion=nn.CrossEntropyLoss(label_smoothing=label_smoothing),
            task_loss_weight=1 - alpha,
            temperature=temperature,
            device=device,
            verbose=False,
        )
        self._alpha, self._precision = alpha, precision
        self.teacher.requires_grad_(requires_grad=False)

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """input (B, C, H, W) normalised for the student; target: labels (B) or probabilities (B, K)."""
        with autocast(self.device, self._precision):
            student_BK = self.trainable_module(input)
            with torch.no_grad():
                seen = self.teacher.normalize_input(input, self.student_mean, self.student_std)
                ancestor_BK = self.teacher(seen, return_features=False)
        loss = distillation_loss(student_BK, ancestor_BK, temperature=self.temperature)
        if self._alpha < 1:
            loss = self._alpha * loss + (1 - self._alpha) * self.criterion(student_BK.float(), target)
        return {"loss": loss, "output": student_BK}


class _Teacher(DistillationTeacher):  # type: ignore[misc]
    """Compares its normalisation with the student's once: on a GPU each time waits for all that was begun before."""

    _alike: bool | None = None

    def normalize_input(self, input: Tensor, student_mean: Tensor, student_std: Tensor) -> Tensor:
        """Images (B, C, H, W) normalised for the student, now for the ancestor; the same tensor if that is alike."""
        if self._alike is None:
            self._alike = torch.equal(student_mean, self.mean_kd) and torch.equal(student_std, self.std_kd)
        if self._alike:
            return input
        normalised: Tensor = (input * student_std + student_mean - self.mean_kd) / self.std_kd
        return normalised


class Supervised(ClassificationTask):  # type: ignore[misc]
    """Cross-entropy with the labels."""

    def __init__(self, model: nn.Module, *, label_smoothing: float, precision: str, device: torch.device) -> None:
        criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        super().__init__(model, criterion, device=device, verbose=False)
        self._precision = precision

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """input (B, C, H, W) normalised; target: labels (B) or probabilities (B, K)."""
        with autocast(self.device, self._precision):
            output_BK = self.trainable_module(input)
        return {"loss": self.criterion(output_BK.float(), target), "output": output_BK}


__all__ = ["Distillation", "Supervised", "TrainingTask", "distillation_loss"]

"""Fine-tune a descendant with transformers' Trainer, straight from the zoo as if it were the Hugging Face hub.

    HF_ENDPOINT=http://127.0.0.1:8000 python docs/examples/transformers_trainer.py

The variable is all that leads to the zoo: the code below is what one writes for any model of the hub. The repository's
`-hf` says transformers' own tensor names, so its own class loads it. The task is scikit-learn's handwritten digits.

Needs: pip install torch transformers accelerate scikit-learn pillow
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import EvalPrediction


def prepared(repository: str) -> list[dict[str, object]]:
    """The digits as the model wants them: its own preparation, read from the repository."""
    processor = AutoImageProcessor.from_pretrained(repository)
    pixels, labels = load_digits(return_X_y=True)
    images = [Image.fromarray((image * 15.9375).astype(np.uint8)).convert("RGB") for image in pixels.reshape(-1, 8, 8)]
    values = processor(images, return_tensors="pt")["pixel_values"]
    return [{"pixel_values": value, "labels": int(label)} for value, label in zip(values, labels, strict=True)]


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """For Trainer."""
    return {"accuracy": float((np.argmax(prediction.predictions, axis=1) == prediction.label_ids).mean())}


def main() -> None:
    """Print what the Trainer found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", default="sws-small-cifar100/depth6-width192-hf")
    parser.add_argument("--epochs", type=float, default=1)
    options = parser.parse_args()

    set_seed(0)
    model = AutoModelForImageClassification.from_pretrained(
        options.repository,
        id2label={digit: str(digit) for digit in range(10)},
        label2id={str(digit): digit for digit in range(10)},
        ignore_mismatched_sizes=True,  # the head is another: ten digits
    )
    examples = prepared(options.repository)
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0)).tolist()
    test, train = ([examples[i] for i in chosen] for chosen in (order[:360], order[360:]))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=120,
            learning_rate=1e-3,
            seed=0,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model, arguments, train_dataset=train, eval_dataset=test, compute_metrics=accuracy)
        before = trainer.evaluate()["eval_accuracy"]
        trainer.train()
        after = trainer.evaluate()["eval_accuracy"]
    print(f"{type(model).__name__} of {options.repository}: {model.num_parameters():,} parameters")
    print(f"accuracy on 360 test images: {before:.1%} before, {after:.1%} after {options.epochs:g} epoch")


if __name__ == "__main__":
    main()

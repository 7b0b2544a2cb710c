"""Draws the learning curves of curves.csv, which digits_train writes: plot_curves.py CURVES.csv OUT.png"""

import argparse
import csv
import math

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Distinguishable for everyone, in grey too: dark blue and orange, solid and dashed.
STYLES = [
    {"color": "#0b5394", "linestyle": "-", "marker": "o"},
    {"color": "#e08214", "linestyle": "--", "marker": "s"},
]
LABELS = {"with the layer": "with batch normalization", "without": "without"}


def read_curves(path):
    """{network: [(epoch, loss, accuracy), ...]} and the learning rate, in the file's order."""
    curves = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rate = float(row["learning_rate"])
            point = (int(row["epoch"]), float(row["training_loss"]), float(row["test_accuracy"]))
            curves.setdefault(row["network"], []).append(point)
    return curves, rate


def draw(curves, rate, path):
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for (network, points), style in zip(curves.items(), STYLES):
        epochs, losses, accuracies = zip(*points)
        line = {"linewidth": 2, "markersize": 3.5, **style}
        accuracy.plot(epochs, accuracies, label=LABELS.get(network, network), clip_on=False, **line)
        # A loss that is not finite has no place on the axis: the line ends.
        finite = [value if math.isfinite(value) else math.nan for value in losses]
        loss.plot(epochs, finite, **line)

    accuracy.axhline(0.1, color="0.5", linewidth=1, linestyle=":", label="guessing")
    accuracy.set_title("Test accuracy")
    accuracy.set_ylabel("digits recognized")
    accuracy.set_ylim(0, 1)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    accuracy.legend(loc="center right", frameon=False)
    loss.set_title("Training loss")
    loss.set_ylabel("cross-entropy (logarithmic)")
    loss.set_yscale("log")
    for axes in (accuracy, loss):
        axes.set_xlabel("epoch")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.grid(alpha=0.25)
    figure.suptitle(
        f"Handwritten digits, learning rate {rate:g}: the same network with and without halnorm", fontweight="bold"
    )
    figure.savefig(path, dpi=140)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", metavar="CURVES.csv")
    parser.add_argument("out", metavar="OUT.png")
    arguments = parser.parse_args()
    draw(*read_curves(arguments.curves), arguments.out)


if __name__ == "__main__":
    main()

from __future__ import annotations

from dataclasses import replace

import torch

from samples.train_digits.digits_data import read_digits
from samples.train_digits.sample import CONFIG
from samples.training.micro_vmamba import new_network
from samples.training.sample import TrainingPlan
from samples.training.training import accuracy, move_images, train

STILL = TrainingPlan(rotation_degrees=0, zoom=0, shift=0)


def test_images_that_may_not_move_stay_as_they_are():
    images = torch.randn(4, 3, 32, 32)
    moved = move_images(images, STILL, torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved, images, atol=1e-4, rtol=0)
    others = move_images(images, TrainingPlan(), torch.Generator().manual_seed(0))
    assert (others - images).abs().max() > 0.1


def test_the_setting_of_threads_comes_back():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    accuracy(new_network(CONFIG, 0), read_digits("test").first(2))
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_training_learns():
    digits = read_digits("train").first(320)
    network = new_network(CONFIG, 0)
    losses = []
    train(network, digits, TrainingPlan(epochs=6), lambda _epoch, loss: losses.append(loss))
    assert losses[-1] < 0.75 * losses[0]
    assert accuracy(network, digits) > 0.5


def test_half_of_the_images_are_mirrored_and_nothing_else_happens_to_them():
    images = torch.randn(400, 3, 16, 16)
    moved = move_images(images, replace(STILL, mirror=True), torch.Generator().manual_seed(0))
    mirrored = (moved - images.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-4
    same = (moved - images).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert torch.equal(mirrored, ~same)
    assert 150 < mirrored.sum() < 250


def test_a_mirrored_image_is_the_mirror_image_of_what_is_moved():
    images, plan = torch.randn(64, 3, 16, 16), TrainingPlan()
    plain = move_images(images, plan, torch.Generator().manual_seed(7))
    moved = move_images(images, replace(plan, mirror=True), torch.Generator().manual_seed(7))
    mirrored = (moved - plain.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-4
    same = (moved - plain).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert torch.equal(mirrored, ~same)
    assert 0 < mirrored.sum() < 64


def test_a_mirror_that_is_not_asked_for_draws_no_random_number():
    """Else the digits' weights would no longer be those in the repository."""
    before = torch.Generator().manual_seed(3)
    move_images(torch.zeros(8, 3, 4, 4), TrainingPlan(), before)
    drawn = torch.Generator().manual_seed(3)
    for _ in range(4):  # angle, scale, across, down
        torch.rand(8, generator=drawn)
    assert torch.equal(before.get_state(), drawn.get_state())


def test_accuracy_counts_every_image_once():
    images = read_digits("train").first(1001)
    always_seven = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(10))
    always_seven(torch.zeros(1, 3, 32, 32))
    with torch.no_grad():
        always_seven[1].weight.zero_()
        always_seven[1].bias.copy_(torch.nn.functional.one_hot(torch.tensor(7), 10))
    assert accuracy(always_seven, images) == (images.labels == 7).mean()

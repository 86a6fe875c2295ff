from vmamba_deploy.tasks.palette import class_colour


def test_colours_of_our_own_differ_from_class_to_class():
    assert len({class_colour(index, None) for index in range(150)}) > 120
    assert class_colour(5, [(1, 2, 3)]) == class_colour(5, None)
    assert class_colour(0, [(1, 2, 3)]) == (1, 2, 3)
    assert all(0 <= part <= 255 for index in range(1000) for part in class_colour(index, None))

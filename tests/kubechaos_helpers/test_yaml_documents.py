import pytest

from kubechaos_helpers.yaml_documents import NotYaml, documents, line_of

DEPLOYMENT = """\
# a comment
kind: Deployment
spec:
  template:
    spec:
      containers:
      - name: a
        ports:
        - containerPort: 1
      - {name: b, image: c}
---
kind: Service
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kind", 2),
        ("spec.template.spec.containers[0].ports[0].containerPort", 9),
        ("spec.template.spec.containers[1].image", 10),
        ("spec.template.spec.containers.ports", 8),  # as decoding errors write it
        ("spec.template.metadata.labels", 4),  # missing: what surrounds it
        ("spec.selector", 3),
        ("metadata", None),
    ],
)
def test_a_field_is_found_by_its_path_or_by_what_surrounds_it(path: str, line: int | None) -> None:
    first = next(documents(DEPLOYMENT))
    assert line_of(first.lines, path) == line


def test_lines_count_from_the_beginning_of_the_file() -> None:
    assert [document.lines["kind"] for document in documents(DEPLOYMENT)] == [2, 12]


def test_empty_documents_are_passed_over() -> None:
    assert [document.content for document in documents("---\n# nothing\n---\na: 1\n---\n")] == [{"a": 1}]


def test_values_are_those_of_json() -> None:
    assert next(documents("2026-01-02: 2026-01-02\n7: yes\nyes: ~\n")).content == {
        "2026-01-02": "2026-01-02",
        "7": True,
        "true": None,
    }


# 236 bytes that stand for nine to the seventh values.
BOMB = "".join(
    f"{name}: &{name} [{', '.join([inner] * 9)}]\n"
    for name, inner in zip("abcdefg", ("x", "*a", "*b", "*c", "*d", "*e", "*f"), strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: [\nb: c: 1\n", 2, "expected"),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", 3, 'the key "a" stands there a second time'),
        ("a:\n  {{ value }}: 1\n", 2, "a key must be a text"),
        ("? a\n: b\n? [c]\n: d\n", 3, "a key must be a text"),
        ("a: 1\nb: !!int x\n", 2, "cannot decode !!str `x` as a !!int"),
        ("a: 1\nb: .inf\n", None, r"unsupported value: \+Inf"),
        ("a: 1\nb: \0\n", 2, "the character with the number 0 may not stand there"),
        ("a: &a\n  b: *a\n", 1, "anchor 'a' value contains itself"),
        ("a: " + "[" * 300 + "]" * 300 + "\n", 1, "exceeded max depth of 250"),
        ("a: " + "[" * 3000 + "]" * 3000 + "\n", None, "too many brackets"),
        (BOMB, 1, "document contains excessive aliasing"),
        (f"a: &a {'x' * 1_000_000}\nb: [{'*a, ' * 11}]\n", 1, "document contains excessive aliasing"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(text: str, line: int | None, problem: str) -> None:
    with pytest.raises(NotYaml, match=problem) as caught:
        list(documents(text))
    assert caught.value.line == line


def test_ten_megabytes_may_be_copied_and_an_alias_counts_once() -> None:
    text = f"a: &a {'x' * 1_000_000}\nb: [{'*a, ' * 10}]\n"
    assert len(next(documents(text)).content["b"]) == 10
    # Of 1,200 values half are copies; that the aliases themselves count makes them a third.
    assert len(next(documents(f"a: &a x\nb: [{'*a, ' * 600}]\n")).content["b"]) == 600


def test_of_many_maps_that_are_merged_the_first_counts() -> None:
    maps = ", ".join(f"{{k{number}: {number}, same: {number}}}" for number in range(5000))
    merged = next(documents(f"a:\n  <<: [{maps}]\n  k7: own\n")).content["a"]
    assert (len(merged), merged["same"], merged["k7"], merged["k4999"]) == (5001, 0, "own", 4999)


def test_what_stands_before_a_mistake_can_be_read() -> None:
    found = documents("a: 1\n---\nb: [\n---\nc: 1\n")
    assert next(found).content == {"a": 1}
    with pytest.raises(NotYaml):
        next(found)

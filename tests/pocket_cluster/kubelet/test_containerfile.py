"""What a Containerfile says is understood as Docker understands it; what cannot be done is refused with a sentence."""

import pytest

from pocket_cluster.kubelet.containerfile import ContainerfileError, Copy, parse


def test_a_usual_file_is_understood() -> None:
    recipe = parse(
        "# a comment\n"
        "ARG TAG=3.13\n"
        "FROM python:${TAG}-slim\n"
        "WORKDIR /usr/src\n"
        "WORKDIR app\n"
        "ENV COLOUR=teal \\\n"
        '    GREETING="hello $COLOUR"\n'
        "COPY --chown=1000 app.py lib/ ./\n"
        "EXPOSE 3000 9000/udp\n"
        "USER nobody\n"
        'ENTRYPOINT ["python", "-u"]\n'
        'CMD ["app.py"]\n'
    )
    assert recipe.base == "python:3.13-slim"
    assert recipe.working_directory == "/usr/src/app"
    assert recipe.environment["COLOUR"] == "teal"
    assert recipe.copies == [Copy(8, ("app.py", "lib/"), "/usr/src/app/")]
    assert recipe.ports == ["3000/tcp", "9000/udp"]
    assert (recipe.entrypoint, recipe.command) == (["python", "-u"], ["app.py"])


def test_a_command_without_brackets_runs_in_a_shell() -> None:
    assert parse("FROM python\nCMD python app.py $HOME").command == ["/bin/sh", "-c", "python app.py $HOME"]


def test_the_old_form_of_env_takes_the_rest_of_the_line() -> None:
    assert parse("FROM python\nENV WORDS one two=3").environment["WORDS"] == "one two=3"


@pytest.mark.parametrize(
    ("text", "value"),
    [("$A", "a"), ("${A}b", "ab"), ("${NO:-c}", "c"), ("${A:+d}", "d"), ("${NO:+d}", ""), (r"\$A", "$A")],
)
def test_variables_are_replaced(text: str, value: str) -> None:
    assert parse(f"FROM python\nENV A=a\nENV B={text}").environment["B"] == value


REFUSED = {
    "FROM python\nRUN pip install flask": "line 2: RUN is not supported by the pocket cluster. Nothing can be",
    "FROM python\nADD x.tar /": "line 2: ADD is not supported by the pocket cluster. Use COPY",
    "FROM python\nHEALTHCHECK CMD x": "write a livenessProbe",
    "FROM python\nCOYP a b": "line 2: COYP is not supported by the pocket cluster. Known here are FROM, COPY",
    "FROM node:20": "The base image node:20 is not there: the pocket cluster downloads nothing, and has only python:*",
    "FROM python\nFROM python": "line 2: A second FROM",
    "COPY a b": "line 1: COPY comes before FROM",
    "": "There is no FROM",
    "FROM python\nCOPY app.py": "COPY needs what to copy and where to",
    "FROM python\nCOPY --from=build a b": "COPY --from is not supported",
    "FROM python\nCMD [python, app.py]": "is not a list of texts",
    "FROM python\nCMD []": "The brackets are empty",
    "FROM python\nEXPOSE http": "EXPOSE http is not a port",
    "FROM python\nCOPY 'a b": "Check its quotation marks",
    "FROM python\n\n# why\nRUN \\\n  x": "line 4: RUN",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_done_is_refused_by_name_and_line(text: str) -> None:
    with pytest.raises(ContainerfileError) as refusal:
        parse(text)
    assert REFUSED[text] in str(refusal.value)

"""Bodies that cannot be decoded are refused with the sentences that a real API server (1.36.3) answered."""

import pytest

from pocket_cluster.api.resources import CONFIG_MAPS, DEPLOYMENTS, EVENTS, PODS, SECRETS, Resource
from pocket_cluster.apiserver.schema import DecodeError, decode, duplicates_in, parse_body

HEAD = 'Deployment in version "v1" cannot be handled as a Deployment: '
UNMARSHAL = HEAD + "json: cannot unmarshal "
TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
UNRECOGNIZED = "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; "
QUANTITY = HEAD + "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
LAYOUT = "2006-01-02T15:04:05Z07:00"


def in_template(fields: str) -> str:
    return '{"spec":{"template":{"spec":' + fields + "}}}"


REFUSED = {
    "[1]": f"{UNRECOGNIZED}json parse error: json: cannot unmarshal array into Go value of type {TYPE_META} (5b315d)",
    "5": f"{UNRECOGNIZED}json parse error: json: cannot unmarshal number into Go value of type {TYPE_META} (35)",
    "": f"{UNRECOGNIZED}json parse error: unexpected end of JSON input (<empty>)",
    '{"kind":"Deployment",': f'{UNRECOGNIZED}json parse error: unexpected end of JSON input ({{"kind":"Deployment",)',
    '{"kind":5,"apiVersion":"apps/v1"}': f"{UNRECOGNIZED}json parse error: json: cannot unmarshal number into Go "
    'struct field .kind of type string ({"kind":5,"apiVersion":"apps/v ...)',
    '{"kind":"Foo","apiVersion":"apps/v1"}': 'Foo in version "v1" cannot be handled as a Deployment: '
    'no kind "Foo" is registered for version "apps/v1" in scheme "pkg/runtime/scheme.go:111"',
    '{"kind":"Pod","apiVersion":"v1"}': 'Pod in version "v1" cannot be handled as a Deployment: '
    "converting (v1.Pod) to (apps.Deployment): unknown conversion",
    '{"spec":[]}': UNMARSHAL + "array into Go struct field Deployment.spec of type v1.DeploymentSpec",
    '{"spec":{"replicas":"three"}}': UNMARSHAL
    + "string into Go struct field DeploymentSpec.spec.replicas of type int32",
    '{"spec":{"replicas":1.5}}': UNMARSHAL
    + "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    '{"spec":{"replicas":1e2}}': UNMARSHAL
    + "number 1e2 into Go struct field DeploymentSpec.spec.replicas of type int32",
    '{"spec":{"replicas":99999999999}}': UNMARSHAL
    + "number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32",
    '{"metadata":{"labels":{"a":1}}}': UNMARSHAL
    + "number into Go struct field ObjectMeta.metadata.labels of type string",
    '{"metadata":{"labels":[]}}': UNMARSHAL
    + "array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
    '{"metadata":{"creationTimestamp":"x"}}': f'{HEAD}parsing time "x" as "{LAYOUT}": cannot parse "x" as "2006"',
    '{"metadata":{"creationTimestamp":5}}': UNMARSHAL
    + "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
    '{"spec":{"strategy":{"rollingUpdate":{"maxSurge":true}}}}': UNMARSHAL
    + "bool into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
    in_template('{"containers":{"name":"a"}}'): UNMARSHAL
    + "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
    in_template('{"containers":["a"]}'): UNMARSHAL
    + "string into Go struct field PodSpec.spec.template.spec.containers of type v1.Container",
    in_template('{"restartPolicy":5}'): UNMARSHAL
    + "number into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
    in_template('{"containers":[{"ports":[{"containerPort":"x"}]}]}'): UNMARSHAL
    + "string into Go struct field ContainerPort.spec.template.spec.containers.ports.containerPort of type int32",
    in_template('{"containers":[{"image":5,"resources":{"limits":{"cpu":"abc"}}}]}'): QUANTITY,
}


def read(resource: Resource, body: str, strictness: str = "Strict") -> tuple[dict[str, object], list[str]]:
    return decode(resource, parse_body(body.encode(), "application/json", resource.kind), strictness)


@pytest.mark.parametrize("body", REFUSED)
def test_a_body_of_the_wrong_type_is_refused_in_go_s_words(body: str) -> None:
    with pytest.raises(DecodeError) as refused:
        read(DEPLOYMENTS, body, "Ignore")
    assert str(refused.value) == REFUSED[body]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"a": 1, }', "invalid character '}' looking for beginning of object key string"),
        ("[1 ,\n]", "invalid character ']' looking for beginning of value"),
        ('{"a": "\\ "}', "invalid character ' ' in string escape code"),
    ],
)
def test_what_go_stops_at_is_named_whatever_this_python_names(body: str, words: str) -> None:
    """Since 3.13 Python names the comma before a bracket."""
    with pytest.raises(DecodeError) as refused:
        read(DEPLOYMENTS, body)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\uD83D\uDE00"', "\U0001f600"),
        (r'"\ud800"', "\ufffd"),
        (r'"a\udfffb"', "a\ufffdb"),
        (r'"\ud800\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\ud83d\u0041"', "\ufffdA"),
        (r'"\\ud800"', r"\ud800"),
        (r'"\\\ud800"', "\\\ufffd"),
    ],
)
def test_half_a_character_becomes_the_replacement_character(written: str, read_as: str) -> None:
    """As Go's encoding/json does; what Go makes of each was asked of it."""
    assert parse_body(written.encode()) == read_as


MANY = (
    '{"foo":1,"metadata":{"name":"a","name":"b","bar":2,"labels":{"a":"b","a":"c"}},"spec":{"replica":1,"replicas":1,'
    '"replicas":2,"template":{"spec":{"containers":[{"imagee":"x","ports":[{"x":1}]}]}}}}'
)
NOTES = [
    'unknown field "foo"',
    'duplicate field "metadata.name"',
    'unknown field "metadata.bar"',
    'duplicate field "metadata.labels.a"',
    'unknown field "spec.replica"',
    'duplicate field "spec.replicas"',
    'unknown field "spec.template.spec.containers[0].imagee"',
    'unknown field "spec.template.spec.containers[0].ports[0].x"',
]


def test_strict_decoding_names_every_unknown_and_every_repeated_field() -> None:
    with pytest.raises(DecodeError) as refused:
        read(DEPLOYMENTS, MANY)
    assert str(refused.value) == f"{HEAD}strict decoding error: {', '.join(NOTES)}"


def test_otherwise_unknown_fields_are_dropped_with_or_without_a_warning() -> None:
    obj, warnings = read(DEPLOYMENTS, MANY, "Warn")
    assert warnings == NOTES
    assert read(DEPLOYMENTS, MANY, "Ignore") == (obj, [])
    assert obj["metadata"] == {"name": "b", "labels": {"a": "c"}}


def test_a_type_error_comes_before_unknown_fields() -> None:
    with pytest.raises(DecodeError, match="cannot unmarshal string"):
        read(DEPLOYMENTS, '{"spec":{"replica":1,"replicas":"three"}}')


def test_what_go_would_not_write_is_dropped_and_what_a_pointer_holds_is_kept() -> None:
    body = in_template('{"containers":[{"name":"a","command":[],"args":[null],"env":[{"name":"A","value":""}]}]}')
    obj, _ = read(
        DEPLOYMENTS, body.replace('{"spec":{"template"', '{"spec":{"replicas":0,"minReadySeconds":0,"template"')
    )
    container = {"name": "a", "args": [""], "env": [{"name": "A"}]}
    assert obj["spec"] == {"replicas": 0, "template": {"spec": {"containers": [container]}}}


def test_a_null_in_a_map_of_strings_is_an_empty_string() -> None:
    obj, _ = read(CONFIG_MAPS, '{"data":{"a":null},"metadata":null}')
    assert obj == {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": ""}}


def test_text_of_a_secret_joins_its_data() -> None:
    obj, _ = read(SECRETS, '{"data":{"a":"eA==","b":"eQ=="},"stringData":{"b":"hello"}}')
    assert obj["data"] == {"a": "eA==", "b": "aGVsbG8="}
    assert "stringData" not in obj


@pytest.mark.parametrize(("text", "index"), [("***", 0), ("YQ", 0), ("YWJjZ", 4)])
def test_data_that_is_not_base64_is_refused(text: str, index: int) -> None:
    with pytest.raises(DecodeError, match=f"illegal base64 data at input byte {index}$"):
        read(SECRETS, f'{{"data":{{"a":"{text}"}}}}')


def test_times_are_written_in_utc_and_micro_times_with_their_fraction() -> None:
    times = '"firstTimestamp":"2026-01-02T05:04:05.5+02:00","eventTime":"2026-01-02T05:04:05.250000+02:00"'
    obj, _ = read(EVENTS, f'{{{times},"involvedObject":{{}}}}')
    assert (obj["firstTimestamp"], obj["eventTime"]) == ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.250000Z")
    with pytest.raises(
        DecodeError, match=r'parsing time ".*Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as'
    ):
        read(EVENTS, '{"eventTime":"2026-01-02T03:04:05Z","involvedObject":{}}')


def test_one_address_of_a_pod_is_a_list_of_one() -> None:
    obj, _ = read(PODS, '{"status":{"podIP":"10.244.0.7"}}')
    assert obj["status"] == {"podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}]}


def test_yaml_is_read_as_json_with_dates_as_text() -> None:
    body = b"metadata: {name: a, annotations: {when: 2026-01-02}}\ndata: {yes: 'no'}\n"
    data = parse_body(body, "application/apply-patch+yaml")
    assert data == {"metadata": {"name": "a", "annotations": {"when": "2026-01-02"}}, "data": {"true": "no"}}
    assert duplicates_in(data) == []


def test_yaml_that_cannot_be_read_says_where() -> None:
    with pytest.raises(
        DecodeError, match=r"\(must be of type Pod\): yaml: line 2: mapping values are not allowed in this context \("
    ):
        parse_body(b"- x\n y: z", "application/yaml", "Pod")

"""What Python's client makes of the API: one line of JSON for each thing it did."""
import json
import sys

from kubernetes import client, watch
from kubernetes.client.rest import ApiException

configuration = client.Configuration()
configuration.host = sys.argv[1]
api = client.ApiClient(configuration)
core = client.CoreV1Api(api)


def say(what, value):
    print(json.dumps([what, value]), flush=True)


def service(name, **metadata):
    return client.V1Service(
        api_version="v1",
        kind="Service",
        metadata=client.V1ObjectMeta(name=name, **metadata),
        spec=client.V1ServiceSpec(ports=[client.V1ServicePort(name="http", port=80)]),
    )


def refusal(call):
    try:
        call()
    except ApiException as error:
        return [error.status, json.loads(error.body)["reason"]]


made = core.create_namespaced_service("default", service("web", labels={"app": "web"}))
say("created", [made.spec.type, made.spec.ports[0].target_port, made.metadata.creation_timestamp is not None])
say("patched", core.patch_namespaced_service("web", "default", {"metadata": {"labels": {"a": "b"}}}).metadata.labels)
say("generated", core.create_namespaced_service("default", service(None, generate_name="web-")).metadata.name.startswith("web-"))
say("selected", [one.metadata.name for one in core.list_namespaced_service("default", label_selector="app=web").items])
say("stale", refusal(lambda: core.replace_namespaced_service("web", "default", made)))
say("again", refusal(lambda: core.create_namespaced_service("default", service("web"))))
say("wrong", refusal(lambda: core.create_namespaced_service("default", service("Web"))))

events = []
stream = watch.Watch()
for event in stream.stream(core.list_namespaced_service, "default", label_selector="app=web", timeout_seconds=20):
    events.append([event["type"], event["object"].metadata.name])
    if event["type"] == "ADDED":
        core.delete_namespaced_service("web", "default")
    if event["type"] == "DELETED":
        stream.stop()
say("watched", [event for event in events if event[0] != "MODIFIED"])
say("gone", refusal(lambda: core.read_namespaced_service("web", "default")))

#!/usr/bin/env python3
"""What no schema says about the Kubernetes objects: that what belongs together
has the same name, and that Mobula can run as they let it.

    tests/deploy/objects.py FILE IMAGE
"""

import sys

import yaml

bad = []


def want(true, text):
    if not true:
        bad.append(text)


def option(args, name):
    """The value of --name=value, or "" for a mere --name."""
    for word in args:
        if word == name or word.startswith(name + "="):
            return word[len(name) + 1 :]
    return None


def within(part, whole):
    return all(whole.get(key) == value for key, value in part.items())


def check_pod(name, pod, image):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    containers = pod.get("initContainers", []) + pod["containers"]
    mounted = set()
    for container in containers:
        who = "%s/%s" % (name, container["name"])
        security = container.get("securityContext", {})
        want(security.get("readOnlyRootFilesystem") is True, who + " can write into its image")
        want(security.get("allowPrivilegeEscalation") is False, who + " may gain privileges")
        want(security.get("capabilities") == {"drop": ["ALL"]}, who + " keeps capabilities")
        want(container["image"] == image, "%s runs %s, this is %s" % (who, container["image"], image))
        resources = container.get("resources", {})
        want({"cpu", "memory"} <= set(resources.get("limits", {})), who + " has no limits")
        want({"cpu", "memory"} <= set(resources.get("requests", {})), who + " has no requests")
        for mount in container["volumeMounts"]:
            want(mount["name"] in volumes, "%s mounts %s, which is not there" % (who, mount["name"]))
            mounted.add(mount["name"])
    want(mounted == set(volumes), name + " has a volume that nobody mounts")
    security = pod.get("securityContext", {})
    want(security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0, name + " runs as root")
    want(security.get("fsGroup") == security.get("runAsGroup"), name + " cannot read its token")
    want(security.get("seccompProfile") == {"type": "RuntimeDefault"}, name + " has no seccomp profile")
    want(pod.get("automountServiceAccountToken") is False, name + " can talk to Kubernetes")
    want(pod.get("enableServiceLinks") is False, name + " gets variables named MOBULA_*")
    want(pod.get("terminationGracePeriodSeconds", 0) >= 20, name + " is given no time to end")
    check_mobula(name, pod, volumes)


def check_mobula(name, pod, volumes):
    (copy,) = pod["initContainers"]
    (mobula,) = pod["containers"]
    args = mobula["args"]
    env = {entry["name"]: entry for entry in mobula["env"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in mobula["volumeMounts"]}
    for word in args:
        if "$(" in word:
            variable = word[word.index("$(") + 2 : word.index(")")]
            want(variable in env, "%s does not set %s" % (name, variable))
    (port,) = mobula["ports"]
    want(option(args, "--port") == str(port["containerPort"]), name + " listens elsewhere")
    want(option(args, "--block") == "", name + " would end at once")
    want(option(args, "--store") is not None, name + " would take its store from the whole machine")
    for variable in ("XDG_RUNTIME_DIR", "TMPDIR"):
        want(env.get(variable, {}).get("value") in mounts, "%s cannot write in $%s" % (name, variable))
    token = env.get("MOBULA_TOKEN_FILE", {}).get("value", "")
    certs = env.get("MOBULA_CERTS", {}).get("value", "")
    want(copy["command"][:3] == ["install", "-m", "0600"], name + " has a token that others can read")
    want(copy["command"][-1] == token, name + " has its token elsewhere")
    want(token.rsplit("/", 1)[0] in mounts, name + " cannot see its token")
    want(certs.rsplit("/", 1)[0] in mounts, name + " cannot keep its certificate")
    (secret,) = [volume for volume in volumes.values() if "secret" in volume]
    want(secret["secret"].get("defaultMode") == 0o400, name + "'s Secret is open")
    want(secret not in mounts.values(), name + "/mobula sees the Secret itself")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        want(probe in mobula, "%s has no %s" % (name, probe))
    wait = mobula["startupProbe"]
    want(wait["periodSeconds"] * wait["failureThreshold"] >= 120, name + " is given no time to begin")


def check_set(one, services, image):
    name = one["metadata"]["name"]
    spec = one["spec"]
    labels = spec["template"]["metadata"]["labels"]
    want(within(spec["selector"]["matchLabels"], labels), name + " does not select its own pods")
    service = services.get(spec["serviceName"])
    want(service is not None, "%s wants the Service %s" % (name, spec["serviceName"]))
    if service is not None:
        want(service["spec"].get("clusterIP") == "None", name + " has a Service with an address")
        want(within(service["spec"]["selector"], labels), name + " has a Service for others")
        want(service["spec"].get("publishNotReadyAddresses") is True, name + " has no name while it begins")
    check_pod(name, spec["template"]["spec"], image)


def main():
    with open(sys.argv[1]) as file:
        objects = list(yaml.safe_load_all(file))
    services = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Service"}
    sets = {one["metadata"]["name"]: one for one in objects if one["kind"] == "StatefulSet"}
    (policy,) = [one for one in objects if one["kind"] == "NetworkPolicy"]
    want(len(services) + len(sets) + 1 == len(objects), "there are other kinds")
    for one in sets.values():
        check_set(one, services, sys.argv[2])
        want(
            within(policy["spec"]["podSelector"]["matchLabels"], one["spec"]["template"]["metadata"]["labels"]),
            "the NetworkPolicy is for others",
        )
    words = {name: one["spec"]["template"]["spec"]["containers"][0]["args"] for name, one in sets.items()}
    ports = {option(args, "--port") for args in words.values()}
    ports |= {str(port["port"]) for one in services.values() for port in one["spec"]["ports"]}
    ports |= {str(port["port"]) for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    want(ports == {"7979"}, "there are several ports: %s" % sorted(ports))
    (head,) = [name for name, args in words.items() if option(args, "--head") is not None]
    service = sets[head]["spec"]["serviceName"]
    want(option(words[head], "--host") == "$(POD_NAME).%s" % service, "the head tells a wrong name")
    want(sets[head]["spec"]["replicas"] == 1, "there are several heads")
    for name, args in words.items():
        if name != head:
            want(option(args, "--address") == "%s-0.%s:7979" % (head, service), name + " looks elsewhere for the head")
    for text in bad:
        print(text)
    sys.exit(1 if bad else 0)


main()

"""Pulls a ModelPack artifact by the distribution API and writes its files: HOST REPOSITORY REFERENCE FOLDER.

Written by the OCI distribution spec and the model-spec alone, with Python's standard library.
"""
import hashlib
import json
import os
import sys
import urllib.request

host, repository, reference, folder = sys.argv[1:]
TYPE = "application/vnd.oci.image.manifest.v1+json"


def get(kind, name, accept="*/*"):
    request = urllib.request.Request(f"http://{host}/v2/{repository}/{kind}/{name}", headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


manifest = json.loads(get("manifests", reference, TYPE))
assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json", manifest["artifactType"]
assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
config = json.loads(get("blobs", manifest["config"]["digest"]))
assert config["modelfs"]["type"] == "layers"
assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]
for layer in manifest["layers"]:
    assert layer["mediaType"].endswith(".raw"), layer["mediaType"]
    content = get("blobs", layer["digest"])
    assert layer["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert layer["size"] == len(content)
    path = os.path.join(folder, layer["annotations"]["org.cncf.model.filepath"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
print(json.dumps(config["descriptor"]))

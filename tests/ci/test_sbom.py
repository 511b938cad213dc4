"""The list of what the programs are made of, held to what Cargo's own tree says."""

import json
import pathlib
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[2]


def sbom():
    return subprocess.run([TREE / "packaging/sbom"], cwd="/", check=True, stdout=subprocess.PIPE, text=True).stdout


def linked():
    """`name@version` of all that is linked into the programs."""
    command = ["cargo", "tree", "--locked", "--edges=normal", "--prefix=none", "--no-dedupe", "--package=mozpool", "--package=relayctl"]
    lines = subprocess.run(command, cwd=TREE, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {"@".join(line.split()[:2]).replace("@v", "@") for line in lines if line}


def test_it_names_all_that_is_linked_and_nothing_else():
    document = json.loads(sbom())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    everything = [document["metadata"]["component"], *document["components"]]
    names = [f"{one['name']}@{one['version']}" for one in everything]
    assert len(names) == len(set(names))
    assert set(names) == linked()
    ours = {"mozpool", "relayctl", "syslogd", "tftpd"}
    for one in everything:
        assert one["purl"] == f"pkg:cargo/{one['name']}@{one['version']}"
        if one["name"] not in ours:
            assert [len(h["content"]) for h in one["hashes"]] == [64], one


def test_what_needs_what_is_said_by_references_that_exist():
    document = json.loads(sbom())
    known = {one["bom-ref"] for one in [document["metadata"]["component"], *document["components"]]}
    edges = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    assert set(edges) == known
    assert all(set(needed) <= known for needed in edges.values())
    assert "pkg:cargo/" + next(n for n in (one.removeprefix("pkg:cargo/") for one in known) if n.startswith("rusqlite@")) in next(
        needed for ref, needed in edges.items() if ref.startswith("pkg:cargo/mozpool@")
    )


def test_the_same_tree_gives_the_same_bytes():
    assert sbom() == sbom()

"""Another app is entered only through its public rooms."""

import grimp

PUBLIC_ROOMS = {"services", "selectors", "kernel", "errors"}


def trespasses():
    graph = grimp.build_graph(
        "apps", include_external_packages=False, exclude_type_checking_imports=True
    )
    for importer in sorted(graph.modules):
        here = importer.split(".")[1:2]
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            there = imported.split(".")[1:3]
            foreign = there and there[0] not in [*here, "core"]
            if foreign and (len(there) < 2 or there[1] not in PUBLIC_ROOMS):
                yield f"{importer} imports {imported}"


def test_other_apps_are_entered_by_public_rooms_only():
    assert list(trespasses()) == []

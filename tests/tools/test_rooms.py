import grimp

from tools import rooms


def test_rooms_draw_only_arrows_that_no_longer_path_implies() -> None:
    imports = {"web": ["access", "jobs"], "access": ["jobs"], "jobs": []}

    assert rooms.without_detours(imports) == [("web", "access"), ("access", "jobs")]


def test_rooms_picture_names_every_room_of_the_contracts() -> None:
    picture = rooms.picture()

    for contract in rooms.CONTRACTS:
        for layer in rooms.contract_layers(contract):
            for room in layer:
                assert f">{rooms.short_name(room)}</text>" in picture


def test_rooms_picture_has_no_arrow_upward() -> None:
    graph = grimp.build_graph("jobsui", cache_dir=None)
    diagram = rooms.draw_diagram(graph, "Inside jobs")

    rooms.place(diagram, 0)

    for start, end in diagram.arrows:
        assert start.top < end.top

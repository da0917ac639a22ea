"""The real Neo4j: it can do what a knowledge graph needs, and keeps to this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from neo4j import Driver, GraphDatabase

from local.neo4j import Neo4j


@pytest.fixture
def driver(neo4j_server: Neo4j) -> Iterator[Driver]:
    """A client of it."""
    with GraphDatabase.driver(neo4j_server.url, auth=(neo4j_server.user, neo4j_server.password)) as driver:
        yield driver


@pytest.fixture
def drinks(driver: Driver) -> Iterator[str]:
    """The label of three nodes which only this test uses."""
    driver.execute_query(
        "UNWIND $drinks AS drink CREATE (d:TestDrink) SET d = drink",
        drinks=[
            {"name": "oat", "text": "Oat drink with a little salt", "embedding": [1.0, 0.1, 0.0]},
            {"name": "soy", "text": "Soya drink, sweetened", "embedding": [0.9, 0.4, 0.1]},
            {"name": "cola", "text": "Cola with sugar", "embedding": [0.0, 0.2, 1.0]},
        ],
    )
    yield "TestDrink"
    for index in ("test_drinks_by_meaning", "test_drinks_by_words"):
        driver.execute_query(f"DROP INDEX {index} IF EXISTS")
    driver.execute_query("MATCH (d:TestDrink) DETACH DELETE d")


def test_a_vector_index_finds_what_is_near(driver: Driver, drinks: str) -> None:
    """Nodes are found by the cosine of their embeddings, the nearest first."""
    driver.execute_query(
        f"CREATE VECTOR INDEX test_drinks_by_meaning FOR (d:{drinks}) ON d.embedding"
        " OPTIONS {indexConfig: {`vector.dimensions`: 3, `vector.similarity_function`: 'cosine'}}"
    )
    driver.execute_query("CALL db.awaitIndexes(60)")
    found = driver.execute_query(
        "CALL db.index.vector.queryNodes('test_drinks_by_meaning', 2, [1.0, 0.0, 0.0]) YIELD node, score"
        " RETURN node.name AS name, score"
    ).records
    assert [record["name"] for record in found] == ["oat", "soy"]
    assert found[0]["score"] > found[1]["score"] > 0.5


def test_a_full_text_index_finds_words(driver: Driver, drinks: str) -> None:
    """Nodes are found by the words in them, whatever their case."""
    driver.execute_query(f"CREATE FULLTEXT INDEX test_drinks_by_words FOR (d:{drinks}) ON EACH [d.text]")
    driver.execute_query("CALL db.awaitIndexes(60)")
    found = driver.execute_query(
        "CALL db.index.fulltext.queryNodes('test_drinks_by_words', 'DRINK AND salt') YIELD node"
        " RETURN node.name AS name"
    ).records
    assert [record["name"] for record in found] == ["oat"]


def test_it_serves_this_machine_alone(driver: Driver, neo4j_server: Neo4j) -> None:
    """It listens on the loopback address, speaks Bolt and nothing else, and tells nobody that it is used."""
    names = ["server.bolt.listen_address", "dbms.security.auth_enabled", "dbms.usage_report.enabled"]
    found = driver.execute_query("SHOW SETTINGS YIELD name, value WHERE name IN $names RETURN name, value", names=names)
    settings = {record["name"]: record["value"] for record in found.records}
    assert f"bolt://{settings['server.bolt.listen_address']}" == neo4j_server.url
    assert neo4j_server.url.startswith("bolt://127.0.0.1:")
    assert (settings["dbms.security.auth_enabled"], settings["dbms.usage_report.enabled"]) == ("true", "false")

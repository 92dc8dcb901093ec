from tools.page_texts import python_texts, script_texts, template_texts


def test_page_texts_join_inline_tags_and_name_the_line() -> None:
    template = '{% load ui %}\n<p>See <a href="/">the <b>rows</b></a> first.</p>'

    assert list(template_texts(template)) == [(2, "See the rows first.")]


def test_page_texts_show_alternatives_and_values() -> None:
    template = (
        "<p>{% if ready %}Send {{ job.rows|counted:'row' }}"
        "{% else %}Wait{% endif %}</p>"
    )

    assert list(template_texts(template)) == [(1, "Send {job.rows} / Wait")]


def test_page_texts_read_spoken_attributes() -> None:
    template = '<input placeholder="Part of a key">'

    assert list(template_texts(template)) == [(1, "Part of a key")]


def test_page_texts_read_arguments_of_template_tags() -> None:
    template = '{% include "includes/empty.html" with title="No jobs yet" %}'

    assert list(template_texts(template)) == [(1, "No jobs yet")]


def test_page_texts_read_errors_labels_and_choices() -> None:
    source = '''
"""Not this docstring."""
class State(TextChoices):
    DRAFT = "draft", "Draft"
name = CharField(label="Name")
raise Refused(f"Row {number} is empty.")
logger.info("Not this log line.")
'''

    assert list(python_texts(source)) == [
        (4, "Draft"),
        (5, "Name"),
        (6, "Row {number} is empty."),
    ]


def test_page_texts_read_strings_of_scripts() -> None:
    assert list(script_texts('say("Connection lost, retrying");')) == [
        (1, "Connection lost, retrying")
    ]

"""Commands that say what there is to build workflows of: `blocks` and `schema`."""

import click

from appliance.block_book import block_book
from appliance.block_pages import block_list, block_page
from appliance.schema import schema_text
from appliance.sentences import sentences
from appliance.sources import SettingsError
from blocks.loading import load_blocks


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="All pages in one, as Markdown: docs/blocks.md.")
def blocks(name: str | None, *, markdown: bool) -> None:
    """List the blocks, or show the page of one: its settings, inputs, outputs and an example."""
    with sentences():
        found = load_blocks()
        if markdown and name:
            raise SettingsError("--markdown prints the pages of all blocks: leave out the name")
        if markdown:
            click.echo(block_book(found), nl=False)
        else:
            click.echo(block_page(name, found) if name else block_list(found))


@click.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of workflow files, with all blocks there are, for editors.

    Editors with the YAML language server complete and check a workflow whose first line is the one
    below, and whose tags their settings know; the file lies beside the workflows that ship.

    # yaml-language-server: $schema=workflow.schema.json

    "yaml.customTags": ["!secret", "!include"]
    """
    with sentences():
        click.echo(schema_text(load_blocks()), nl=False)

"""A client's id of an item in place of the pipeline's, and the other way round."""

from voicepipe.conversation import ItemId
from voicepipe.events import ItemDeleted, TurnEnded
from voicepipe.realtime.ga.items import Items
from voicepipe.realtime.ids import WireItemId

items = Items("salt")
ours, theirs = ItemId("turn1"), WireItemId("item_1")

TurnEnded("Hi.", 1.0, ours)
ItemDeleted(items.key_of(theirs))
ItemDeleted(theirs)  # error: reportArgumentType
items.remove(items.id_of(ours))
items.remove(ours)  # error: reportArgumentType
items.id_of(theirs)  # error: reportArgumentType

/**
 * The open store of a client, whether this process writes it or follows the writer.
 *
 * @internal
 */
import { Effect } from "effect"
import type { StorageError } from "../PersistError.ts"
import type { Take } from "./HeldStore.ts"
import type { Found } from "./HoldFiles.ts"
import type { ReadStore } from "./ReadStore.ts"
import * as WriteStore from "./WriteStore.ts"

/** A store that another process may write. */
export interface FollowedStore extends ReadStore {
  /** Takes a named hold on the store as it is now, or resumes an existing one. */
  readonly hold: Take
  /** The named holds that there are. */
  readonly holds: Effect.Effect<ReadonlyArray<Found>, StorageError>
}

export interface Store extends FollowedStore, WriteStore.WriteStore {}

/** The store of a client that only reads: what would change it is rejected. */
export const following = (store: FollowedStore): Store => ({ ...store, ...WriteStore.refusing })

/** The store of a client that reads one state of it, of which there is a hold already. */
export const held = (store: ReadStore): Store =>
  following({ ...store, hold: () => WriteStore.refuse("hold"), holds: Effect.succeed([]) })

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A value to publish: JSON, or bytes, which arrive as a `Uint8Array`. */
export type Data = Json | Uint8Array;

/** Returns a token, or none for an anonymous client. */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>);

export interface HubOptions {
  /** The token of the client. A function is called for each connection, and before a token expires. */
  token?: TokenSource;
  /** Data for the application's connect hook. */
  data?: Json;
  /** The maximum of the first delay before a reconnection, in ms. It doubles with each. Default: 1,000. */
  base?: number;
  /** The maximum of every delay, in ms. Default: 30,000. */
  cap?: number;
  /** The maximum number of attempts in a row. Default: no limit. */
  maxAttempts?: number;
  /** The time until a command without reply fails, in ms, without a connection as well. Default: 20,000. */
  timeout?: number;
  /** The maximum number of commands that wait for a reply or a connection. Default: 100. */
  maxPending?: number;
  /** The WebSocket class. Default: the global one. */
  WebSocket?: typeof WebSocket;
}

/** `waiting`: the next attempt to connect is scheduled. `closed`: there will be no further attempt. */
export type HubState = 'connecting' | 'open' | 'waiting' | 'closed';

export interface HubStateEvent {
  state: HubState;
  /** In state `waiting`: the delay before the next attempt, in ms. */
  delay?: number;
  /** The close code of the lost connection. */
  code?: number;
  /** The reason of the lost connection, or why there will be no further attempt. */
  reason?: string;
  /** In state `open`: what the server answered. */
  session?: string;
  user?: string;
  data?: Json;
}

export interface HubEvents {
  state: HubStateEvent;
  /** A message of the server that belongs to no room. */
  message: Data;
  /** The server has made this client join a room that it had not asked for. */
  room: Room;
  /** A failure that belongs to no promise, such as that of a token function. */
  error: HubError;
}

/** A command failed. */
export class HubError extends Error {
  /**
   * The server's code, or one of the client's own: `'closed'`, `'timeout'`, `'full'` (too many
   * commands wait), `'lost'` (the connection was lost before the reply; the outcome is unknown).
   */
  code: number | 'closed' | 'timeout' | 'full' | 'lost' | 'token';
  /** Whether the same command may succeed later. */
  temporary: boolean;
}

declare class Emitter<Events> {
  /** Calls a function for each event of a type. Returns a function that ends this. */
  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void;
}

/**
 * A client of a hub. It connects at once, and reconnects until it is closed.
 *
 * Commands that are called without a connection wait for one, up to `maxPending` of them for
 * `timeout` ms. When a connection is lost, commands without reply fail with the code `lost`, except
 * publishing to rooms with history, which is repeated: the server stores it once. Commands with data
 * that is not JSON fail with a `TypeError`, which the constructor throws.
 */
export class Hub extends Emitter<HubEvents> {
  constructor(url: string | URL, options?: HubOptions);
  readonly state: HubState;
  /** The id of the session, while connected. */
  readonly session?: string;
  /** The user that the server has established, while connected. */
  readonly user?: string;
  /** Returns a room: the same object for the same name. */
  room(name: string): Room;
  /** Calls a method of the application. */
  rpc(method: string, data?: Json): Promise<Json>;
  /** Sends a message to the application. */
  send(data: Data): Promise<void>;
  /** Connects at once if an attempt is scheduled. */
  reconnect(): void;
  /** Closes the connection for good. Commands without reply fail. */
  close(code?: number, reason?: string): void;
}

export interface JoinOptions {
  /** Lets only publications pass whose tags match: see docs/hub-protocol.md. */
  filter?: Json;
  /** Data for the other members, in rooms with presence. */
  info?: Json;
  /** A token for the room. A function is called for each join, and before a token expires. */
  token?: TokenSource;
  /** A position to recover from, such as one of an earlier page view. Default: that of this object. */
  from?: string;
  /** Maintains `members` and `users`. Default: false. */
  presence?: boolean;
}

export interface PublishOptions {
  /** Identifies the publication. Default: a random one. */
  id?: string;
  /** Names and values that members can filter by. */
  tags?: Record<string, string>;
  /** The key by which newer publications supersede older ones, in rooms that have keys. */
  key?: string;
}

export interface Publication {
  data: Data;
  /** The position after this publication, in rooms with history. */
  position?: string;
  id?: string;
  /** The session that published it. */
  publisher?: string;
  tags?: Record<string, string>;
}

export interface Member {
  session: string;
  user?: string;
  info?: Json;
}

export interface Joined {
  position?: string;
  /** Whether all missed publications follow. Absent if there was no position to recover from. */
  recovered?: boolean;
  /** Why the missed publications do not follow. */
  gap?: GapReason;
}

export type GapReason = 'epoch' | 'trimmed' | 'rolled_back' | 'limit';

export interface Missed {
  /** `slow`, `expired`, `failed`: dropped on the way to this client. Otherwise a gap in the history. */
  reason: 'slow' | 'expired' | 'failed' | GapReason;
  count?: number;
  position?: string;
}

export interface PresenceChange {
  joined: Member[];
  updated: Member[];
  left: Member[];
  usersJoined: string[];
  usersLeft: string[];
}

export interface RoomEvents {
  publication: Publication;
  /** The client is in the room, for the first time or again. */
  joined: Joined;
  /** Publications are missing at this place: dropped ones, or a gap after a reconnection. */
  missed: Missed;
  /** The members have changed. The first event after each join has them all in `joined`. */
  presence: PresenceChange;
  /** The server has made the client leave the room. */
  left: { code?: number; reason?: string };
  /** The room cannot be joined, and the client does not try again. */
  refused: HubError;
}

export interface HistoryOptions {
  /** Begins after this position, or with `reverse` before it. Default: the oldest, or the newest. */
  from?: string;
  /** Default: 100, at most 1,000. */
  limit?: number;
  /** Reads from new to old. */
  reverse?: boolean;
}

export interface History {
  publications: Publication[];
  /** The position of the newest publication of the room. */
  position: string;
  /** Whether there are more: the position of the last one is the `from` of the next page. */
  more: boolean;
  /** Why there are none. */
  gap?: GapReason;
}

/** A room of a hub. */
export class Room extends Emitter<RoomEvents> {
  private constructor();
  readonly name: string;
  /** Whether the client is in the room at present. */
  readonly joined: boolean;
  /** The client's position, in rooms with history. */
  readonly position?: string;
  /** The members by session, if the room was joined with `presence`. */
  readonly members: ReadonlyMap<string, Member>;
  /** The users, if the room was joined with `presence`. */
  readonly users: ReadonlySet<string>;
  /**
   * Joins the room, and joins it again after each reconnection, from the position at that time. The
   * options of a room that the client is in already remain.
   */
  join(options?: JoinOptions): Promise<Joined>;
  /** Leaves the room. The position is forgotten. */
  leave(): Promise<void>;
  /** Publishes to the room. Returns the position, in rooms with history. */
  publish(data: Data, options?: PublishOptions): Promise<string | undefined>;
  /** Replaces the filter; without one, all publications are received again. */
  setFilter(filter?: Json): Promise<void>;
  /** Replaces this client's info. */
  update(info: Json): Promise<void>;
  /** Reads the history. */
  history(options?: HistoryOptions): Promise<History>;
  /** Lists up to `limit` members, after a session. */
  listMembers(options?: { after?: string; limit?: number }): Promise<{ members: Member[]; next?: string }>;
  /** Lists up to `limit` users, after a user. */
  listUsers(options?: { after?: string; limit?: number }): Promise<{ users: string[]; next?: string }>;
  /** Returns the numbers of sessions and users. */
  counts(): Promise<{ sessions: number; users: number }>;
}

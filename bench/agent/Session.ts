/** What a session of the agent's table is. */
export const partsOfSession = 66

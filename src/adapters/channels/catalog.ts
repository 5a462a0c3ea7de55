// The list of all message channels.

import type { Channel } from '../../ports/channel.ts';
import { slack } from './slack/connection.ts';

export const channels: readonly Channel[] = [slack];

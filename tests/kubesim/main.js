#!/usr/bin/env node
/** The API server stand-in as a program; see --help. */
import { runProgram } from '../lib/program.js';
import { Kubesim } from './kubesim.js';
import { HELP, parseOptions } from './options.js';

runProgram('kubesim', HELP, parseOptions, (options) => new Kubesim(options));

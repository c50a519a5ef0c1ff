#!/usr/bin/env node
/** The WeCom stand-in as a program; see --help. */
import { runProgram } from '../lib/program.js';
import { HELP, parseOptions } from './options.js';
import { Wecomsim } from './wecomsim.js';

runProgram('wecomsim', HELP, parseOptions, (options) => new Wecomsim(options));

// The steps of an application's test: each runs though another has failed, and says `ok NAME` or
// `FAILED NAME: why`, which is what the two runs are compared by.
'use strict';

exports.copy = process.env.WEIR_COPY; // several run at once: each has tables of its own

exports.run = async (steps, end) => {
    let failed = false;
    for (const [name, step] of Object.entries(steps)) {
        try {
            await step();
            console.log(`ok ${name}`);
        } catch (error) {
            failed = true;
            console.error(error);
            console.log(`FAILED ${name}: ${String(error.message).replace(/\s+/g, ' ')}`);
        }
    }
    await end();
    process.exit(failed ? 1 : 0);
};

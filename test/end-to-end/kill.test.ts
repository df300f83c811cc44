import { expect, test } from 'vitest'
import { chance } from '../chance.js'
import { describeWithData, ended, startSluice } from '../fixtures.js'
import { allContents, countedRows, csvs, example, heldIn, newLake, runTaxi } from './taxi.js'

const KILLS = Number(process.env['SLUICE_TEST_KILLS'] ?? 20)

describeWithData('a run that is killed', () => {
  test(`at ${KILLS} random moments, and run again, gives the tables, the quarantine and the counters of an undisturbed one`, {
    timeout: 60_000 * KILLS,
  }, async () => {
    const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000)
    const random = chance(seed)
    const clean = newLake()
    const started = Date.now()
    expect((await runTaxi(clean, csvs)).code).toBe(0)
    const seconds = Date.now() - started
    const [tables, held, counted] = [await allContents(clean), await heldIn(clean), await countedRows(clean)]
    expect(Object.keys(counted)).toHaveLength(4)
    let kills = 0
    while (kills < KILLS) {
      const lake = newLake()
      for (;;) {
        const run = startSluice({}, 'run', '--project', example, '--lake', lake, '--var', `input=${csvs}`, '--json')
        const end = ended(run)
        const after = kills < KILLS ? setTimeout(() => run.kill('SIGKILL'), 100 + random() * seconds) : undefined
        const { code, stdout, stderr } = await end
        clearTimeout(after)
        if (code === 137) kills++
        else {
          expect(code, `seed ${seed}, after ${kills} kills: ${stdout}${stderr}`).toBe(0)
          break
        }
      }
      expect(await allContents(lake), `seed ${seed}, after ${kills} kills`).toEqual(tables)
      expect(await heldIn(lake), `seed ${seed}, after ${kills} kills`).toEqual(held)
      expect(await countedRows(lake), `seed ${seed}, after ${kills} kills`).toEqual(counted)
    }
  })

  test('by Ctrl-C ends as cancelled, and what is committed stays', async () => {
    const lake = newLake()
    const run = startSluice({}, 'run', '--project', example, '--lake', lake, '--var', `input=${csvs}`, '--json')
    const end = ended(run)
    setTimeout(() => run.kill('SIGINT'), 1_500)
    const result = await end
    expect([0, 130]).toContain(result.code)
    if (result.code === 130) expect(result.json().status).toBe('cancelled')
    expect((await runTaxi(lake, csvs)).code).toBe(0)
    const clean = newLake()
    await runTaxi(clean, csvs)
    expect(await allContents(lake)).toEqual(await allContents(clean))
  })

  test('two at once: both finish, or one says who holds the lease', async () => {
    const lake = newLake()
    const both = await Promise.all([runTaxi(lake, csvs), runTaxi(lake, csvs)])
    const codes = both.map((one) => one.code).sort()
    expect([
      [0, 0],
      [0, 75],
    ]).toContainEqual(codes)
    for (const one of both) if (one.code === 75) expect(one.json().error).toMatchObject({ code: 'LEASE_HELD', retry: 'transient' })
    const clean = newLake()
    await runTaxi(clean, csvs)
    expect(await allContents(lake)).toEqual(await allContents(clean))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Prng from "../../../src/testing/Prng.ts"
import * as Disk from "../../../src/testing/storage/Disk.ts"

const names = (disk: Disk.Disk, path: string): ReadonlyArray<string> => Disk.list(disk, path).map(([name]) => name)

const fileAt = (disk: Disk.Disk, path: string): Disk.File => {
  const node = Disk.find(disk, path)
  assert(node?.kind === "file", `${path} is no file`)
  return node
}

const bytesAt = (disk: Disk.Disk, path: string): Uint8Array => Disk.read(fileAt(disk, path), 0, 1_000_000)

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

/** The state that each of many seeds leaves after the same history and a crash. */
const afterCrash = <A>(history: (disk: Disk.Disk, random: Prng.Prng) => void, look: (disk: Disk.Disk) => A) =>
  Array.from({ length: 200 }, (_, seed) => {
    const disk = Disk.make()
    const random = Prng.make(seed)
    history(disk, random)
    Disk.crash(disk, random)
    return look(disk)
  })

/** A file of four sectors of ones, with its name, on the disk. */
const four = (disk: Disk.Disk): Disk.File => {
  const file = Disk.create(disk, "/file")
  Disk.write(file, filled(4 * Disk.sectorBytes, 1), 0)
  Disk.flush(file)
  Disk.flushDirectory(disk, disk.root)
  return file
}

/** Of each sector the value that all of its bytes have. */
const sectors = (bytes: Uint8Array): ReadonlyArray<number> => {
  const values: Array<number> = []
  for (let at = 0; at < bytes.length; at += Disk.sectorBytes) {
    const sector = bytes.subarray(at, at + Disk.sectorBytes)
    assert.isTrue(sector.every((byte) => byte === sector[0]), `the sector at ${at} is torn`)
    values.push(sector[0]!)
  }
  return values
}

describe("a file", () => {
  it("is what was written, truncated and extended", () => {
    const random = Prng.make(1)
    for (let round = 0; round < 50; round++) {
      const disk = Disk.make()
      const file = Disk.create(disk, "/file")
      let model = new Uint8Array(0)
      for (let step = 0; step < 20; step++) {
        const grown = (size: number) => {
          const bytes = new Uint8Array(Math.max(size, model.length))
          bytes.set(model)
          return bytes
        }
        if (random.chance(0.3)) {
          const size = random.int(3000)
          Disk.truncate(file, size)
          model = grown(size).slice(0, size)
        } else if (random.chance(0.2)) Disk.flush(file)
        else {
          const bytes = random.bytes(random.int(1500))
          const offset = random.int(2000)
          Disk.write(file, bytes, offset)
          if (bytes.length > 0) model = grown(offset + bytes.length)
          model.set(bytes, bytes.length > 0 ? offset : 0)
        }
        assert.deepStrictEqual(Disk.read(file, 0, 10_000), model)
      }
    }
  })

  it("survives a crash as it was flushed", () => {
    const states = afterCrash((disk) => void four(disk), (disk) => bytesAt(disk, "/file"))
    for (const bytes of states) assert.deepStrictEqual(bytes, filled(4 * Disk.sectorBytes, 1))
  })

  it("loses or keeps what was not flushed sector by sector, all or nothing of each", () => {
    const states = afterCrash(
      (disk) => Disk.write(four(disk), filled(2 * Disk.sectorBytes, 2), Disk.sectorBytes),
      (disk) => sectors(bytesAt(disk, "/file")).join("")
    )
    assert.deepStrictEqual([...new Set(states)].toSorted(), ["1111", "1121", "1211", "1221"])
  })

  it("grows, in a crash, by what was written, by zeros, or not", () => {
    const states = afterCrash(
      (disk) => Disk.write(four(disk), filled(Disk.sectorBytes, 2), 4 * Disk.sectorBytes),
      (disk) => sectors(bytesAt(disk, "/file")).join("")
    )
    assert.deepStrictEqual([...new Set(states)].toSorted(), ["1111", "11110", "11112"])
  })

  it("that was truncated has its old length after a crash, or its new one, and zeros if it grows again", () => {
    const states = afterCrash(
      (disk) => Disk.truncate(four(disk), Disk.sectorBytes),
      (disk) => {
        const file = fileAt(disk, "/file")
        const { length } = bytesAt(disk, "/file")
        Disk.truncate(file, 4 * Disk.sectorBytes)
        const bytes = bytesAt(disk, "/file")
        assert.isTrue(bytes.subarray(length).every((byte) => byte === 0))
        return length
      }
    )
    assert.deepStrictEqual(new Set(states), new Set([Disk.sectorBytes, 4 * Disk.sectorBytes]))
  })

  it("after a flush that failed is seen as written, and a later flush does not store it", () => {
    const states = afterCrash(
      (disk, random) => {
        const file = four(disk)
        Disk.write(file, filled(4 * Disk.sectorBytes, 2), 0)
        Disk.flushBadly(file, random)
        assert.deepStrictEqual(bytesAt(disk, "/file"), filled(4 * Disk.sectorBytes, 2))
        Disk.flush(file)
      },
      (disk) => sectors(bytesAt(disk, "/file")).join("")
    )
    assert.strictEqual(new Set(states).size, 16)
  })

  it("that has rotted has one other bit, also after a crash", () => {
    const [bytes] = afterCrash((disk) => Disk.rot(four(disk), 700, 3), (disk) => bytesAt(disk, "/file"))
    assert.strictEqual(bytes![700], 1 ^ 8)
    assert.strictEqual(bytes!.filter((byte) => byte !== 1).length, 1)
  })
})

describe("a directory", () => {
  it("that was flushed keeps its names", () => {
    const states = afterCrash(
      (disk) => {
        Disk.makeDirectory(disk, "/a/b")
        Disk.create(disk, "/a/b/one")
        Disk.link(disk, "/a/b/one", "/a/b/two")
        Disk.rename(disk, "/a/b/one", "/a/b/three")
        Disk.flushDirectory(disk, Disk.find(disk, "/a/b") as Disk.Directory)
      },
      (disk) => names(disk, "/a/b")
    )
    for (const state of states) assert.deepStrictEqual(state, ["two", "three"])
  })

  it("that was not flushed keeps a beginning of its changes", () => {
    const states = afterCrash(
      (disk) => {
        four(disk)
        Disk.create(disk, "/new")
        Disk.rename(disk, "/new", "/file")
        Disk.remove(disk, "/file")
      },
      (disk) => Disk.list(disk, "/").map(([name, node]) => `${name} ${(node as Disk.File).seen.size}`).join()
    )
    assert.deepStrictEqual([...new Set(states)].toSorted(), ["", "file 0", "file 2048", "file 2048,new 0"])
  })

  it("is not flushed by flushing a file in it", () => {
    const states = afterCrash((disk) => Disk.flush(Disk.create(disk, "/file")), (disk) => names(disk, "/").length)
    assert.deepStrictEqual(new Set(states), new Set([0, 1]))
  })

  it.each<[string, (disk: Disk.Disk) => unknown]>([
    ["EEXIST", (disk) => Disk.create(disk, "/file")],
    ["EEXIST", (disk) => Disk.link(disk, "/file", "/file")],
    ["EEXIST", (disk) => Disk.makeDirectory(disk, "/file")],
    ["ENOENT", (disk) => Disk.create(disk, "/none/file")],
    ["ENOENT", (disk) => Disk.link(disk, "/none", "/other")],
    ["ENOENT", (disk) => Disk.rename(disk, "/none", "/other")],
    ["ENOENT", (disk) => Disk.remove(disk, "/none")],
    ["ENOENT", (disk) => Disk.list(disk, "/none")],
    ["ENOTDIR", (disk) => Disk.list(disk, "/file")],
    ["ENOTDIR", (disk) => Disk.find(disk, "/file/x")],
    ["EISDIR", (disk) => Disk.remove(disk, "/directory")]
  ])("refuses with %s, and changes nothing", (code, refused) => {
    const disk = Disk.make()
    four(disk)
    Disk.makeDirectory(disk, "/directory")
    try {
      refused(disk)
      assert.fail("it was not refused")
    } catch (error) {
      assert.propertyVal(error, "code", code)
    }
    assert.deepStrictEqual(names(disk, "/"), ["file", "directory"])
  })
})

describe("a disk whose directories are unordered", () => {
  /** What is left of three files that were created one after the other, in two directories. */
  const left = (flushed?: string) =>
    Array.from({ length: 200 }, (_, seed) => {
      const disk = Disk.make("unordered")
      for (const path of ["/a", "/b"]) Disk.makeDirectory(disk, path)
      Disk.flushDirectory(disk, disk.root)
      for (const path of ["/a/1", "/b/2", "/a/3"]) Disk.create(disk, path)
      const directory = flushed === undefined ? undefined : Disk.find(disk, flushed)
      if (directory?.kind === "directory") Disk.flushDirectory(disk, directory)
      Disk.crash(disk, Prng.make(seed))
      return [...names(disk, "/a"), ...names(disk, "/b")].toSorted().join("")
    })

  it("keeps any of the changes that were not flushed", () => {
    assert.deepStrictEqual([...new Set(left())].toSorted(), ["", "1", "12", "123", "13", "2", "23", "3"])
  })

  it("keeps all of a directory that was flushed, and says nothing of the others", () => {
    assert.deepStrictEqual([...new Set(left("/a"))].toSorted(), ["123", "13"])
    assert.deepStrictEqual([...new Set(left("/b"))].toSorted(), ["12", "123", "2", "23"])
  })

  it("does not bring back the old name of a file whose new name was flushed", () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = Disk.make("unordered")
      for (const path of ["/a", "/b"]) Disk.makeDirectory(disk, path)
      Disk.flushDirectory(disk, disk.root)
      Disk.create(disk, "/a/1")
      Disk.rename(disk, "/a/1", "/b/2")
      const directory = Disk.find(disk, "/b")
      if (directory?.kind === "directory") Disk.flushDirectory(disk, directory)
      Disk.crash(disk, Prng.make(seed))
      assert.deepStrictEqual([names(disk, "/a"), names(disk, "/b")], [[], ["2"]])
    }
  })
})

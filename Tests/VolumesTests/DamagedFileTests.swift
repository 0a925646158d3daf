import Foundation
import Testing
import Volumes

/// Files that were damaged or cut short, each refused as those that lie.
extension HostileTests {
    @Test func truncated() throws {
        let f = good()
        for cut in [349, 352, 353, f.file.count - 1] {
            guard case .truncated? = refusal(scratch.file("t.nii", Array(f.file.prefix(cut)))) else {
                Issue.record("cut at \(cut) passed")
                continue
            }
            // gzip whole, contents short.
            guard case .truncated? = refusal(scratch.file("t.nii.gz", gzipStored(Array(f.file.prefix(cut))))) else {
                Issue.record("short contents at \(cut) passed")
                continue
            }
        }
        let whole = gzipStored(f.file)
        for cut in [3, 12, 100, whole.count - 9, whole.count - 4, whole.count - 1] {
            guard case .corrupt(_, let reason)? = refusal(scratch.file("c.nii.gz", Array(whole.prefix(cut)))) else {
                Issue.record("gzip cut at \(cut) passed")
                continue
            }
            #expect(reason == "it ends before its gzip stream does")
        }
        let pair = good { $0.isSingle = false }
        let header = scratch.file("p.hdr", pair.header)
        _ = scratch.file("p.img", Array(pair.data.prefix(23)))
        #expect(
            volumeError { _ = try Volume(path: header) }
                == .truncated(path: scratch.path + "/p.img", expected: 24, found: "the file has 23 bytes"))
    }

    @Test func damagedGzip() throws {
        let f = good()
        #expect(
            refusal(scratch.file("crc.nii.gz", gzipStored(f.file, corruptChecksum: true)))
                == .corrupt(path: scratch.path + "/crc.nii.gz", reason: "incorrect data check"))
        var flipped = gzipStored(f.file)
        flipped[380] ^= 4
        guard case .corrupt? = refusal(scratch.file("flip.nii.gz", flipped)) else {
            Issue.record("a flipped bit passed")
            return
        }
        #expect(
            refusal(scratch.file("tail.nii.gz", gzipStored(f.file) + [0, 0, 9]))
                == .corrupt(path: scratch.path + "/tail.nii.gz", reason: "other bytes follow its gzip stream"))
        #expect(
            refusal(scratch.file("more.nii.gz", gzipStored(f.file + [0, 1])))
                == .trailingData(path: scratch.path + "/more.nii.gz", expected: f.file.count))
        #expect(
            refusal(scratch.file("more.nii", f.file + [0, 1]))
                == .trailingData(path: scratch.path + "/more.nii", expected: f.file.count))
    }

    /// A mask of another grid is refused by its header: what follows, here a damaged stream that would unpack to more
    /// than a gigabyte, is not looked at.
    @Test func masksOfAnotherGridAreNotUnpacked() throws {
        let image = try VolumeReader(path: scratch.file("image.nii", good().file)).geometry
        let large = good {
            $0.dim = [1000, 1000, 100]; $0.datatype = 64
        }
        var packed = gzipStored(Array(large.file.prefix(352)) + [UInt8](repeating: 0, count: 1_000_000))
        packed[packed.count / 2] ^= 1
        let path = scratch.file("mask.nii.gz", packed)
        guard
            case .shapeMismatch(path, [1000, 1000, 100], "image.nii", [2, 3, 2])? = volumeError({
                _ = try Mask(path: path, matching: image, of: "image.nii")
            })
        else {
            Issue.record("not refused by its header")
            return
        }
        // Nor what an absurd vox_offset passes over.
        let far = scratch.file(
            "far.nii.gz",
            gzipStored(
                Array(
                    good {
                        $0.dim = [5, 5, 5]; $0.offset = 900_000
                    }.file.prefix(352)) + [UInt8](repeating: 0, count: 4000)))
        guard case .shapeMismatch? = volumeError({ _ = try Mask(path: far, matching: image, of: "image.nii") }) else {
            Issue.record("its offset was passed over first")
            return
        }
    }

    /// A thousand damaged copies of a good file: each reads or is refused, none brings the process down or asks for
    /// much memory.
    @Test func randomDamage() throws {
        var state: UInt64 = 1
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        for round in 0..<1000 {
            let f = good {
                $0.version = 1 + round % 2; $0.isBigEndian = round % 4 > 1
            }
            var file = f.file
            for _ in 0...random(6) { file[random(f.headerBytes)] = UInt8(random(256)) }
            if round % 3 == 0 { file = gzipStored(file) }
            let path = scratch.file("damaged.nii", file)
            do { _ = try Volume(path: path) } catch { #expect(error is VolumeError) }
        }
    }
}

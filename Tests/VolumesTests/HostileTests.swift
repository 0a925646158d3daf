import Foundation
import Testing
import Volumes

/// Files that lie, each refused with one sentence of the right kind and without taking memory on a header's word.
@Suite struct HostileTests {
    let scratch = Scratch()

    func good(_ change: (inout Fixture) -> Void = { _ in }) -> Fixture {
        var f = Fixture()
        f.setData((0..<12).map { Int16($0) })
        change(&f)
        return f
    }

    /// Reads the file as a volume and returns its error after checking that the sentence names the path.
    func refusal(_ path: String, kind: VolumeError.Kind = .badData) -> VolumeError? {
        let error = volumeError { _ = try Volume(path: path) }
        #expect(error?.kind == kind, "\(String(describing: error))")
        if let error {
            #expect("\(error)".contains(path) && !"\(error)".contains("\n") && "\(error)".contains(";"), "\(error)")
        }
        return error
    }

    @Test func missing() throws {
        #expect(
            refusal(scratch.path + "/none.nii.gz", kind: .missingInput)
                == .notFound(path: scratch.path + "/none.nii.gz"))
        let file = scratch.file("file.nii", good().file)
        #expect(refusal(file + "/below.nii", kind: .missingInput) == .notFound(path: file + "/below.nii"))
        #expect(refusal(scratch.path) == .notAFile(path: scratch.path, what: "a folder"))
        #expect(refusal("/dev/null") == .notAFile(path: "/dev/null", what: "a device"))
        #expect(refusal(scratch.file("empty.nii.gz", [])) == .empty(path: scratch.path + "/empty.nii.gz"))
        let header = scratch.file("alone.hdr", good { $0.isSingle = false }.header)
        #expect(
            refusal(header, kind: .missingInput) == .imageMissing(header: header, image: scratch.path + "/alone.img"))
        _ = scratch.file("lonely.img", [1, 2])
        #expect(
            volumeError { _ = try Volume(path: scratch.path + "/lonely.img") }
                == .notFound(path: scratch.path + "/lonely.hdr"))
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything")) func forbidden() throws {
        let path = scratch.file("secret.nii", good().file)
        chmod(path, 0)
        #expect(refusal(path, kind: .missingInput) == .notReadable(path: path, reason: "Permission denied"))
    }

    @Test func notNIfTI() throws {
        func reason(_ bytes: [UInt8]) -> String? {
            guard case .notNIfTI(_, let reason)? = refusal(scratch.file("x.nii", bytes)) else { return nil }
            return reason
        }
        #expect(reason(Array("hello".utf8)) == "5 bytes are too few for a header")
        #expect(reason(Array(good().file[..<347])) == "347 bytes are too few for a header")
        #expect(reason(Array(good { $0.version = 2 }.file[..<500])) == "500 bytes are too few for a header")
        #expect(reason([UInt8](repeating: 65, count: 4000)) == "it does not begin with a header size of 348 or 540")
        #expect(reason(good { $0.magic = Array("n+3\0".utf8) }.file) == "its magic bytes are wrong")
        #expect(reason(good { $0.magic = [0, 0, 0, 0] }.file) == "it is ANALYZE 7.5, which leaves left and right open")
        #expect(
            reason(
                good {
                    $0.version = 2; $0.magic = Array("n+2\0\n\n\u{1a}\n".utf8)
                }.file) == "its magic bytes are wrong")
        #expect(reason(gzipStored(Array("hello".utf8))) == "5 bytes are too few for a header")
    }

    /// What data managers and downloads leave in a file's place.
    @Test func standIns() throws {
        for (text, word) in [
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
            ("/annex/objects/MD5E-s9--0.nii.gz\n", "git annex get"),
            ("../.git/annex/objects/a/b/c.nii.gz", "git annex get"),
            ("<!DOCTYPE HTML>" + String(repeating: " ", count: 500), "web page"),
            ("\r\n<html><head>", "web page"), ("<?xml version='1.0'?><Error>", "web page"),
        ] {
            for bytes in [Array(text.utf8), gzipStored(Array(text.utf8))] {
                let path = scratch.file("x.nii.gz", bytes), error = refusal(path)
                guard case .standIn? = error else { Issue.record("\(String(describing: error))"); continue }
                #expect("\(error!)".contains(word))
            }
        }
        let link = scratch.path + "/link.nii.gz"
        for (target, word) in [
            ("../.git/annex/objects/x", "git annex get \(link)"), ("elsewhere.nii.gz", "give the file itself"),
        ] {
            try? FileManager.default.removeItem(atPath: link)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
            #expect(refusal(link, kind: .missingInput) == .danglingLink(path: link, target: target))
            #expect(refusal(link, kind: .missingInput).map { "\($0)".contains(word) } == true)
        }
    }

    @Test func absurdDimensions() throws {
        func error(_ change: (inout Fixture) -> Void) -> VolumeError? {
            refusal(scratch.file("x.nii", good(change).file))
        }
        for version in [1, 2] {
            for isBigEndian in [false, true] {
                for dim in [[0, 3, 2], [2, -3, 2], [2, 3, 2, 0]] {
                    guard
                        case .badHeader? = error({
                            $0.version = version; $0.isBigEndian = isBigEndian; $0.dim = dim
                        })
                    else {
                        Issue.record("\(dim) passed")
                        continue
                    }
                }
                for count in [0, -1, 8, 30_000] {
                    guard
                        case .badHeader? = error({
                            $0.version = version; $0.isBigEndian = isBigEndian; $0.dimensionCount = count
                        })
                    else {
                        Issue.record("dim[0] = \(count) passed")
                        continue
                    }
                }
            }
        }
        for dim in [[Int.max, Int.max, 2], [1 << 32, 1 << 32, 1], [1 << 62, 1, 1], [Int.max, 1, 1]] {
            guard
                case .badHeader? = error({
                    $0.version = 2; $0.dim = dim
                })
            else {
                Issue.record("\(dim) passed")
                continue
            }
        }
        // dim[5] beyond dim[0] is nobody's business.
        #expect(
            try Volume(
                path: scratch.file(
                    "y.nii",
                    good {
                        $0.dim = [2, 3, 2, 1, -7]; $0.dimensionCount = 3
                    }.file)
            ).values.count == 12)
    }

    @Test func headersThatAskForTooMuch() throws {
        for version in [1, 2] {
            let huge = good {
                $0.version = version; $0.dim = [30_000, 30_000, 20]; $0.datatype = 64
            }
            for path in [scratch.file("huge.nii", huge.file), scratch.file("huge.nii.gz", gzipStored(huge.file))] {
                guard case .truncated(_, let expected, _)? = refusal(path) else {
                    Issue.record("18 GB passed")
                    continue
                }
                #expect(expected > 140_000_000_000)
            }
        }
        let huge = good {
            $0.dim = [1500, 1500, 1000]; $0.datatype = 64
        }
        let path = scratch.file("huge.nii", Array(huge.file.prefix(377)))
        #expect(
            refusal(path).map { "\($0)" }
                == """
                \(path) is cut short (its header promises 18000000352 bytes (18 GB), the file has 376 bytes); \
                copy or download it again
                """
        )
        for offset in [-8.0, 100, 351, .nan, .infinity, 1e30] {
            guard case .badHeader? = refusal(scratch.file("o.nii", good { $0.offset = offset }.file)) else {
                Issue.record("vox_offset \(offset) passed")
                continue
            }
        }
        guard case .truncated? = refusal(scratch.file("o.nii", good { $0.offset = 1e9 }.file)) else {
            Issue.record("vox_offset beyond the file passed")
            return
        }
    }

    @Test func unsupportedTypes() throws {
        for (code, name) in [
            (32, "COMPLEX64"), (128, "RGB24"), (1536, "FLOAT128"), (1792, "COMPLEX128"), (2304, "RGBA32"),
            (1, "BINARY"), (0, "unknown"), (-5, "unknown"), (777, "unknown"),
        ] {
            guard case .unsupportedType(_, let type)? = refusal(scratch.file("t.nii", good { $0.datatype = code }.file))
            else {
                Issue.record("datatype \(code) passed")
                continue
            }
            #expect(type.contains(name), "\(code): \(type)")
        }
    }

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

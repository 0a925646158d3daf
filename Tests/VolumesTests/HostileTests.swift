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
}

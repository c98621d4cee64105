// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenConfiguration
import WarrenTesting

@testable import WarrenAssembly

@Suite("import vproxy-agent") struct VProxyAgentFileTests {
    private static let small = """
        {
          # a comment
          agent { socks5.listen = 1080, httpconnect.listen = 18080, gateway.pac.listen = 20080
            strict = true
            "pool": 3
            dns.listen = 53 }
          proxy {
            auth = alice:pasSw0rD
            groups = [
              { servers = [
                  websockss://office.example.net:443   # the first
                  websocks:kcp://192.0.2.1:18686
                ]
                domains = [
                  /.*google\\.com.*/
                  216.58.200.46
                  example.com
                  /.*bilibili\\.com$/
                  [~/gfwlist.txt]
                  :14000
                ]
                resolve = [ pixiv.net ]
                no-proxy = [ intranet.example ]
              }
              { name = TEST, servers = [ websocks://127.0.0.1:18687, websocks:uot:kcp://192.0.2.2:1 ], domains = [ 163.com, '.x.net' ] }
            ]
          }
        }
        """

    @Test("comments are left out wherever the deployed agent has them, and addresses keep their //") func comments()
        throws
    {
        let yaml = try VProxyAgentFile.yaml(
            of: """
                // about the file
                { /* all of
                     the agent */
                  agent { socks5.listen = 1080 // browsers
                    strict = true /* for a while */ }
                  proxy { auth = a:b // mine
                    groups = [ {
                      // two of them
                      servers = [ websocks://192.0.2.1:1, "websocks://192.0.2.2:2" // quoted
                      ]
                      domains = [ /.*\\.example\\.net$/ // a pattern
                        .example.org /* a suffix */
                      ] } ] }
                }
                """)
        for text in ["127.0.0.1:1080\"", "192.0.2.1:1\"", "192.0.2.2:2\"", "*.example.org", "strict: true"] {
            #expect(yaml.contains(text), "\(text) in \(yaml)")
        }
        for text in ["browsers", "mine", "quoted", "suffix", "while"] { #expect(!yaml.contains(text), "\(yaml)") }
    }

    @Test("what it makes passes check, with the rules in the agent's order") func whole() throws {
        let yaml = try VProxyAgentFile.yaml(of: Self.small)
        let folder = try TemporaryFolder()
        folder.write(VProxyAgentFile.passwordFile, "pasSw0rD")
        #expect(assemble(yaml, in: folder.path).problems == [], "\(yaml)")
        let lines = yaml.split(separator: "\n").map { $0.trimmingPrefix("  - ").description }
        #expect(
            lines.contains(
                "{ name: socks5, type: socks5, listen: \"127.0.0.1:1080\", pac: { listen: \"127.0.0.1:20080\" } }"))
        #expect(lines.contains("{ name: http, type: http, listen: \"127.0.0.1:18080\" }"))
        let login = "user: \"alice\", passwordFile: vproxy-agent.pw"
        #expect(
            lines.contains(
                "{ name: default-1, type: websocks, server: \"office.example.net:443\", \(login), tls: true, strict: true, pool: 3 }"
            ))
        #expect(
            lines.contains(
                "{ name: default-2, type: websocks, server: \"192.0.2.1:18686\", carrier: kcp, \(login), strict: true, pool: 3 }"
            ))
        let tests = "to: [test-1, test-2], balance: roundRobin }"
        let both = "to: [default-1, default-2], balance: roundRobin }"
        #expect(
            lines.filter { $0.contains(", to: ") } == [
                "{ host: [\"intranet.example\", \"*.intranet.example\"], to: direct }",
                "{ host: [\"163.com\", \"*.163.com\"], \(tests)", "{ host: [\"x.net\", \"*.x.net\"], \(tests)",
                "{ host: \"216.58.200.46\", \(both)", "{ host: [\"example.com\", \"*.example.com\"], \(both)",
                "{ host: [\"bilibili.com\", \"*.bilibili.com\"], \(both)", "{ port: 14000, \(both)",
            ])
        for remark in ["google", "gfwlist", "resolve", "dns.listen", "test-2: reached over TCP"] {
            #expect(lines.contains { $0.hasPrefix("# ") && $0.contains(remark) }, "\(remark)")
        }
        #expect(!yaml.contains("pasSw0rD"))
    }

    @Test(
        "what is no such file is refused, with its line where it has one, and without the password",
        arguments: [
            ("", "ends where a value"), ("{", "line 1: a { is not closed"), ("{ a = [\n1", "line 2: a [ is not closed"),
            ("{ proxy { auth = 'x", "a quote is not closed"), ("{ agent {} }", "has no block proxy"),
            ("{} {}", "something follows"), ("{ = 1 }", "expected a key"), ("[ ] ]", "something follows"),
            (String(repeating: "[", count: 100), "too deep"),
            ("{ proxy { auth = hunter2 } }", "has no user and password"),
            ("{ proxy { auth = a:hunter2 } }", "names no server"),
            ("{ proxy { auth = a:hunter2\n groups = [ { servers = [ ftp://x:1 ] } ] } }", "a server that is none"),
            ("{ proxy { auth = a:hunter2\n groups = [ { servers = [ websocks://x ] } ] } }", "a server that is none"),
            ("{ proxy { auth = a:hunter2\n groups = [ { servers = [ websocks://x:1 ] } ] } }", "listens neither"),
        ])
    func refused(text: String, says: String) {
        do throws(Refusal) {
            let yaml = try VProxyAgentFile.yaml(of: text)
            Issue.record("\(yaml)")
        } catch {
            #expect(error.what?.contains(says) == true, "\(error.what ?? "")")
            #expect(error.what?.contains("hunter2") == false)
        }
    }

    @Test("whatever is cut off or changed in it is refused, or makes what passes check") func damaged() throws {
        let folder = try TemporaryFolder()
        folder.write(VProxyAgentFile.passwordFile, "secret")
        var made = 0
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            var text = Array(Self.small)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                text[place] = "{}[]=:,#'\"/\\\n $%x".randomElement(using: &random) ?? " "
            }
            if seed % 4 == 0 { text = Array(text.prefix(Int.random(in: 1...text.count, using: &random))) }
            guard let yaml = try? VProxyAgentFile.yaml(of: String(text)) else { continue }
            made += 1
            #expect(assemble(yaml, in: folder.path).problems == [], "\(seed): \(yaml)")
        }
        #expect(made > 0)
    }
}

import type { UrlRefusalCode } from '../../src/domain/destination.ts';

/** A URL that must be refused by its text: number in the list of hostile cases, URL, public code, fine code. */
export type RefusedUrl = readonly [number: number, url: string, code: UrlRefusalCode, detail: string];

const hosts = (number: number, detail: string, ...names: readonly string[]): RefusedUrl[] =>
  names.map((name) => [number, `https://${name}/`, 'destination_not_allowed', detail]);

const texts = (number: number, code: UrlRefusalCode, detail: string, ...urls: readonly string[]): RefusedUrl[] =>
  urls.map((url) => [number, url, code, detail]);

/** A: IPv4 literals in every spelling that URL parsers understand. */
const IPV4: readonly RefusedUrl[] = [
  ...hosts(1, 'address_loopback', '127.0.0.1'),
  ...hosts(2, 'address_loopback', '127.1'),
  ...hosts(3, 'address_loopback', '127.0.1'),
  ...hosts(4, 'address_loopback', '2130706433'),
  ...hosts(5, 'address_loopback', '0x7f000001'),
  ...hosts(6, 'address_loopback', '0x7f.1'),
  ...hosts(7, 'address_loopback', '0177.0.0.1'),
  ...hosts(8, 'address_loopback', '017700000001'),
  ...hosts(9, 'address_loopback', '00000177.0.0.01'),
  ...hosts(10, 'address_loopback', '127.0.0.1.'),
  ...hosts(11, 'host_invalid', '127.0.0.1...'),
  ...hosts(12, 'address_unspecified', '0'),
  ...hosts(13, 'address_unspecified', '0.0.0.0'),
  ...hosts(14, 'address_unspecified', '0.0.0.1'),
  ...hosts(15, 'address_loopback', '127.127.127.127'),
  ...hosts(16, 'address_loopback', '①②⑦.⓪.⓪.①'),
  ...hosts(17, 'address_loopback', '１２７.0.0.1'),
  ...hosts(18, 'address_loopback', '127。0。0。1'),
  ...['256.256.256.256', '127.0.0.256', '1.2.3.4.5', '4294967296'].flatMap((host) =>
    texts(19, 'url_invalid', 'unparsable', `https://${host}/`),
  ),
  ...hosts(20, 'address_private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'),
  ...hosts(21, 'ip_literal', '172.32.0.1'),
  ...hosts(22, 'address_shared', '100.64.0.1'),
  ...hosts(23, 'address_link_local', '169.254.169.254'),
  ...hosts(24, 'address_link_local', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '169.254.43518'),
  ...hosts(25, 'address_link_local', '169.254.170.2', '169.254.170.23'),
  ...hosts(26, 'address_shared', '100.100.100.200'),
  ...hosts(27, 'address_special', '192.0.0.192'),
  ...hosts(28, 'address_cloud_platform', '168.63.129.16'),
  ...hosts(29, 'address_benchmarking', '198.18.0.1'),
  ...hosts(29, 'address_documentation', '192.0.2.1', '198.51.100.1', '203.0.113.1'),
  ...hosts(30, 'address_multicast', '224.0.0.1'),
  ...hosts(30, 'address_reserved', '240.0.0.1', '255.255.255.255'),
];

/** B: IPv6 literals. */
const IPV6: readonly RefusedUrl[] = [
  ...hosts(31, 'address_loopback', '[::1]', '[0:0:0:0:0:0:0:1]'),
  ...hosts(32, 'address_not_global', '[::]'),
  ...hosts(33, 'address_loopback', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'),
  ...hosts(34, 'address_link_local', '[0:0:0:0:0:ffff:a9fe:a9fe]'),
  ...hosts(35, 'address_not_global', '[::127.0.0.1]', '[::7f00:1]'),
  ...hosts(36, 'address_not_global', '[::ffff:0:127.0.0.1]'),
  ...hosts(37, 'address_not_global', '[64:ff9b::7f00:1]', '[64:ff9b::a9fe:a9fe]'),
  ...hosts(38, 'address_not_global', '[64:ff9b:1::a00:1]'),
  ...hosts(39, 'address_embedded_ipv4', '[2002:7f00:1::]', '[2002:a9fe:a9fe::1]'),
  ...hosts(40, 'address_special', '[2001:0:7f00:1::]'),
  ...hosts(41, 'address_not_global', '[fe80::1]'),
  ...texts(42, 'url_invalid', 'percent_in_host', 'https://[fe80::1%eth0]/', 'https://[fe80::1%25eth0]/'),
  ...hosts(43, 'address_not_global', '[fc00::1]', '[fd00:ec2::254]'),
  ...hosts(44, 'address_not_global', '[fec0::1]', '[ff02::1]'),
  ...hosts(45, 'address_documentation', '[2001:db8::1]', '[3fff::1]'),
  ...hosts(46, 'address_not_global', '[100::1]', '[100:0:0:1::1]', '[5f00::1]'),
  ...hosts(47, 'address_not_global', '[1::1]', '[4000::1]', '[8000::1]'),
  ...texts(48, 'url_invalid', 'unparsable', 'https://[127.0.0.1]/', 'https://[::1].example.com/'),
  ...hosts(49, 'ip_literal', '[2606:4700:4700::1111]'),
];

/** C: names. */
const NAMES: readonly RefusedUrl[] = [
  ...hosts(50, 'host_forbidden', 'localhost', 'LOCALHOST', 'localhost.', 'foo.localhost'),
  ...texts(51, 'url_invalid', 'percent_in_host', 'https://%6c%6f%63%61%6c%68%6f%73%74/'),
  ...hosts(52, 'host_forbidden', 'ⓛocalhost', 'ＬＯＣＡＬＨＯＳＴ'),
  ...hosts(53, 'host_forbidden', 'localhost.localdomain'),
  ...hosts(53, 'host_invalid', 'ip6-localhost', 'kafka'),
  ...hosts(54, 'host_forbidden', 'printer.local', 'db.internal', 'router.home.arpa', 'x.onion'),
  ...hosts(55, 'host_forbidden', 'metadata.google.internal'),
  ...hosts(56, 'host_forbidden', 'kafka.default.svc.cluster.local', 'host.docker.internal'),
  ...hosts(59, 'own_host', 'posthorn.acme.com', 'sub.posthorn.acme.com', 'POSTHORN.acme.com'),
  ...hosts(60, 'host_invalid', 'example.com.'),
  ...hosts(61, 'host_invalid', '.example.com', 'example..com', '-example.com', '*.example.com', 'a_b.example.com'),
  ...hosts(62, 'host_invalid', `${'a'.repeat(64)}.com`, `${'a.'.repeat(126)}com`),
  ...hosts(64, 'host_invalid', 'xn--a', 'xn--a.com'),
  ...texts(
    65,
    'url_invalid',
    'invisible_character',
    'https://exa\u00admple.com/',
    'https://exa\u200bmple.com/',
    'https://exa\ufeffmple.com/',
  ),
];

/** D: text that parsers read differently from people. */
const CONFUSION: readonly RefusedUrl[] = [
  ...texts(
    66,
    'url_userinfo',
    'userinfo',
    'https://user:pass@example.com/',
    'https://user@example.com/',
    'https://@example.com/',
  ),
  ...texts(67, 'url_userinfo', 'userinfo', 'https://example.com@127.0.0.1/'),
  ...texts(68, 'url_userinfo', 'userinfo', 'https://127.0.0.1@example.com/'),
  ...texts(69, 'url_userinfo', 'userinfo', 'https://example.com:443@127.0.0.1/'),
  ...texts(70, 'url_invalid', 'backslash', 'https://example.com\\@127.0.0.1/'),
  ...texts(71, 'url_invalid', 'backslash', 'https://127.0.0.1\\.example.com/'),
  ...texts(72, 'url_invalid', 'fragment', 'https://example.com#@127.0.0.1/', 'https://example.com/#'),
  ...texts(
    74,
    'url_scheme',
    'scheme_form',
    'https:127.0.0.1',
    'https:/127.0.0.1',
    'https:///127.0.0.1/',
    'https:\\\\127.0.0.1\\',
  ),
  ...texts(75, 'url_invalid', 'no_scheme', '//127.0.0.1/', 'example.com/hook', '/hook'),
  ...texts(76, 'url_invalid', 'percent_in_host', 'https://127.0.0.1%00.example.com/'),
  ...texts(77, 'url_invalid', 'percent_in_host', 'https://127.0.0.1%2eexample.com/'),
  ...[
    ' https://example.com/',
    'https://example.com/ ',
    'https://exam\tple.com/',
    'https://exam\r\nple.com/',
    'https://example.com/a\r\nb',
    'https://example.com/\u0000',
    'https://example.com/\ud800',
  ].flatMap((url) => texts(78, 'url_invalid', 'invisible_character', url)),
  ...texts(
    80,
    'url_invalid',
    'too_long',
    `https://example.com/${'a'.repeat(3000)}`,
    `https://example.com/${'é'.repeat(1020)}`,
  ),
];

/** E: schemes and ports. */
const SCHEMES: readonly RefusedUrl[] = [
  ...texts(81, 'url_scheme', 'scheme', 'http://example.com/', 'HTTP://example.com/'),
  ...[
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'data:text/plain,x',
    'javascript:alert(1)',
  ].flatMap((url) => texts(82, 'url_scheme', 'scheme', url)),
  ...['ws://example.com/', 'blob:https://example.com/1', 'jar:https://example.com!/'].flatMap((url) =>
    texts(82, 'url_scheme', 'scheme', url),
  ),
  ...[0, 22, 25, 6379, 9092, 5432].flatMap((port) => texts(84, 'url_port', 'port', `https://example.com:${port}/`)),
  ...['65536', '99999', '-1', '٤٤٣'].flatMap((port) =>
    texts(85, 'url_invalid', 'unparsable', `https://example.com:${port}/`),
  ),
  ...texts(85, 'url_invalid', 'invisible_character', 'https://example.com: 443/'),
];

/** Every URL of the hostile list that is refused by its text, under the default policy with `OWN_HOSTS`. */
export const REFUSED_URLS: readonly RefusedUrl[] = [...IPV4, ...IPV6, ...NAMES, ...CONFUSION, ...SCHEMES];

export const OWN_HOSTS = ['posthorn.acme.com', 'proxy.acme.com:8443'] as const;

/** Texts that hold something of each detector, and some that only look like it. None of the secrets is one. */
export const samples: readonly string[] = [
  '{"card":"4111 1111 1111 1111","iban":"DE89 3704 0044 0532 0130 00","e":"john.doe@example.com"}',
  "text\\n4111111111111111 12/26 +49 30 12345678 and +1 (212) 555-0100.",
  "DNI 12345678Z NIE X1234567L CF RSSMRA85T10A562S HETU 131052-308T nir 1 85 05 78 006 084 91",
  '"bsn":"123456782" "pesel":"44051401359" cpf 111.444.777-35 "cpf":"11144477735" 811218-9876',
  "nhs number 943 476 5919 aadhaar 2341 2341 2346 123-45-6789 steuer 86095742719",
  "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 glpat-aB3dE5fG7hI9jK1lM3nO AKIAY34FZKBOKMUTVV7A",
  "xoxb-123456789012-1234567890123-abcdEFGHijklMNOPqrstUVWX 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",
  '"password":"hunter2!xY" api_key=9f8e7d6c5b4a39281706f5e4d3c2b1a0 "clientSecret": "aB3dE5fG7hI9jK1lM3nO"',
  "Authorization: Bearer abcDEF0123456789xyzXYZ",
  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
  "-----BEGIN RSA PRIVATE KEY-----\\nMIIEow==\\n-----END RSA PRIVATE KEY----- rest",
  "about Project Nightjar and EMP-123456, not XEMP-123456 nor EMP-1234567",
  '{"id":"550e8400-e29b-41d4-a716-446655440000","at":"2024-01-02T10:11:12.123Z","price":1234567890123.50,"hash":"4111111111111111aa"}',
  "4111 1111 1111 1112 logo@2x.png +999 12345678 \\u00e9jane@example.org a@b DE88 3704 0044 0532 0130 00",
];

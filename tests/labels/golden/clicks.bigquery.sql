SELECT
  `t2`.`play_id`,
  `t19`.`impression_id`,
  `t2`.`user_id`,
  `t2`.`item_id`,
  `t2`.`played_at`,
  `t19`.`t0`,
  COALESCE(`t19`.`credit`, CAST(1 AS FLOAT64)) AS `credit`
FROM `plays` AS `t2`
LEFT OUTER JOIN (
  SELECT
    `t17`.*
    EXCEPT (`place`)
  FROM (
    SELECT
      `t16`.`play_id`,
      `t16`.`impression_id`,
      `t16`.`t0`,
      `t16`.`place`,
      CAST('1' AS FLOAT64) AS `credit`
    FROM (
      SELECT
        `t15`.`play_id`,
        `t15`.`impression_id`,
        `t15`.`t0`,
        ROW_NUMBER() OVER (PARTITION BY `t15`.`play_id` ORDER BY `t15`.`t0` DESC, `t15`.`impression_id` DESC) - 1 AS `place`
      FROM (
        SELECT
          *
        FROM (
          SELECT
            `t11`.`play_id`,
            `t11`.`impression_id`,
            `t11`.`t0`
          FROM (
            SELECT
              `t8`.`play_id`,
              `t6`.`impression_id`,
              `t6`.`t0`,
              `t8`.`played_at`
            FROM (
              SELECT
                `t1`.`impression_id`,
                `t1`.`user_id`,
                `t1`.`item_id`,
                `t1`.`t0`
              FROM `impressions` AS `t1`
            ) AS `t6`
            INNER JOIN (
              SELECT
                `t0`.`play_id`,
                `t0`.`user_id`,
                `t0`.`item_id`,
                `t0`.`played_at`,
                TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '86400' SECOND) AS `opens`,
                TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '1' SECOND) AS `closes`
              FROM `plays` AS `t0`
            ) AS `t8`
              ON `t6`.`user_id` = `t8`.`user_id`
              AND `t6`.`item_id` = `t8`.`item_id`
              AND `t6`.`t0` > `t8`.`opens`
              AND `t6`.`t0` <= `t8`.`closes`
          ) AS `t11`
        ) AS `t13`
        UNION DISTINCT
        SELECT
          *
        FROM (
          SELECT
            `t12`.`play_id`,
            `t12`.`impression_id`,
            `t12`.`t0`
          FROM (
            SELECT
              `t9`.`play_id`,
              `t10`.`impression_id`,
              `t10`.`t0`,
              `t9`.`played_at`
            FROM (
              SELECT
                `t1`.`impression_id`,
                `t1`.`user_id`,
                `t1`.`item_id`,
                `t1`.`t0`,
                `t1`.`clicked_at`
              FROM `impressions` AS `t1`
              WHERE
                `t1`.`clicked_at` IS NOT NULL
            ) AS `t10`
            INNER JOIN (
              SELECT
                `t0`.`play_id`,
                `t0`.`user_id`,
                `t0`.`item_id`,
                `t0`.`played_at`,
                TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '7200' SECOND) AS `opens`,
                TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '0' SECOND) AS `closes`
              FROM `plays` AS `t0`
            ) AS `t9`
              ON `t10`.`user_id` = `t9`.`user_id`
              AND `t10`.`item_id` = `t9`.`item_id`
              AND `t10`.`clicked_at` > `t9`.`opens`
              AND `t10`.`clicked_at` <= `t9`.`closes`
          ) AS `t12`
          WHERE
            `t12`.`t0` <= TIMESTAMP_SUB(`t12`.`played_at`, INTERVAL '1' SECOND)
        ) AS `t14`
      ) AS `t15`
    ) AS `t16`
    WHERE
      `t16`.`place` = 0
  ) AS `t17`
) AS `t19`
  ON `t2`.`play_id` = `t19`.`play_id`
